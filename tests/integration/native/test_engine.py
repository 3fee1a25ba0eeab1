"""The engine's behaviour on a tiny model: contract, fidelity, failures."""

import gc
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from common.errors import ConfigurationError, EngineError, ModelFilesError, PromptTooLongError, RequestError
from tests.integration.native.rows import random_request, run_alone
from tests.unit.native.tiny import reference_logits, tiny_weights, write_tiny
from worker.engine.base import Engine, EngineRequest, FinishReason, Sampling, TokenEvent
from worker.engine.native import _native
from worker.engine.native.engine import NativeEngine, NativeOptions
from worker.engine.native.pack import pack
from worker.engine.native.packed import PACKED_NAME, read_header


@pytest.fixture
def engine(tiny_model: Path) -> NativeEngine:
    """An engine with small limits."""
    return NativeEngine(tiny_model, NativeOptions(max_rows=4, step_tokens=64, threads=2, max_row_tokens=200))


def drain(engine: NativeEngine) -> dict[int, list[TokenEvent]]:
    """Run to the end."""
    events: dict[int, list[TokenEvent]] = {}
    while engine.has_work():
        for event in engine.step():
            events.setdefault(event.row, []).append(event)
    return events


def test_it_keeps_the_contract(engine: NativeEngine) -> None:
    """Given an engine, when asked what it is, then it is an Engine that promises what it keeps."""
    assert isinstance(engine, Engine)
    capabilities = engine.capabilities
    assert (capabilities.name, capabilities.batch_invariant, capabilities.max_row_tokens) == ("native", True, 200)
    assert engine.step() == []
    engine.abort(99)


def relative_error(folder: Path, weights: dict[str, Any]) -> float:
    """Return the root mean square difference from numpy's float32 logits, as a share of theirs."""
    header = read_header(folder / PACKED_NAME)
    model = _native.load_model(str(folder / PACKED_NAME), header.config.numbers(), header.locations())
    forward = _native.Forward(model, _native.supported_isas()[0], 64, 64, 2, 2)
    tokens = [i * 37 % 300 for i in range(60)]
    forward.step([(tokens, 0, [1, 0], 60, 0.0, 1.0, 0, 0, 0, False)], True)
    wanted = reference_logits(weights, tokens)
    return float(np.linalg.norm(forward.last_logits() - wanted) / np.linalg.norm(wanted))


def test_logits_follow_the_float_reference(tiny_model: Path) -> None:
    """Given random weights, when run in int8, then logits are within 10% of numpy's (rounding weights is 5.5)."""
    assert relative_error(tiny_model, tiny_weights()) < 0.1


def test_an_untied_model_runs(tmp_path: Path) -> None:
    """Given a head of its own, when run, then embeddings come from the file and logits from that head."""
    weights = write_tiny(tmp_path, seed=3, tie_word_embeddings=False)
    pack(tmp_path)
    assert relative_error(tmp_path, weights) < 0.1


def test_rows_end_by_stop_token_and_by_length(engine: NativeEngine) -> None:
    """Given a row, when its stop token or its limit comes, then it ends there and says why."""
    free = run_alone(engine, EngineRequest((1, 2, 3), 12))
    assert (len(free.tokens), free.reason) == (12, FinishReason.LENGTH)
    stop = free.tokens[4]
    stopped = run_alone(engine, EngineRequest((1, 2, 3), 12, stop_token_ids=frozenset({stop})))
    assert stopped.tokens == free.tokens[: free.tokens.index(stop) + 1]
    assert stopped.reason is FinishReason.STOP


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (EngineRequest((), 5), RequestError),
        (EngineRequest((1,), 0), RequestError),
        (EngineRequest((1, 300), 5), RequestError),
        (EngineRequest((1, -1), 5), RequestError),
        (EngineRequest((1,) * 150, 51), PromptTooLongError),
        (EngineRequest((1,), 5, Sampling(temperature=-0.1)), RequestError),
        (EngineRequest((1,), 5, Sampling(temperature=float("nan"))), RequestError),
        (EngineRequest((1,), 5, Sampling(1.0, top_p=0.0)), RequestError),
        (EngineRequest((1,), 5, Sampling(1.0, top_k=-1)), RequestError),
    ],
)
def test_impossible_requests_are_refused_at_once(
    engine: NativeEngine, request_: EngineRequest, error: type[RequestError]
) -> None:
    """Given a request that can never run, when added, then it is refused and the engine has no work."""
    with pytest.raises(error):
        engine.add(request_)
    assert not engine.has_work()


def test_the_longest_row_fills_the_limit(engine: NativeEngine) -> None:
    """Given prompt and completion that just fit, when run, then all tokens are made."""
    assert len(run_alone(engine, EngineRequest((1,) * 150, 50)).tokens) == 50


def test_aborted_rows_fall_silent(engine: NativeEngine) -> None:
    """Given running and waiting rows, when aborted, then they emit nothing more and the others end."""
    rows = [engine.add(EngineRequest((row, 2, 3), 10)) for row in range(7)]
    engine.step()
    for row in (rows[0], rows[6]):
        engine.abort(row)
    assert sorted(drain(engine)) == rows[1:6]


def test_cached_prompt_tokens_are_reported(engine: NativeEngine) -> None:
    """Given a prompt computed before, when asked again, then its full blocks are reported as cached."""
    prompt = tuple(range(100))
    first, second = (list(drain_one(engine, EngineRequest(prompt, 2))) for _ in range(2))
    assert {event.cached_prompt_tokens for event in first} == {0}
    assert {event.cached_prompt_tokens for event in second} == {96}
    assert [event.token_id for event in first] == [event.token_id for event in second]


def drain_one(engine: NativeEngine, request: EngineRequest) -> list[TokenEvent]:
    """Run one request."""
    row = engine.add(request)
    return drain(engine)[row]


def test_a_failing_row_fails_alone(engine: NativeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a step that throws for one row, when it runs, then that row gets its error and the others their tokens."""
    wanted = run_alone(engine, EngineRequest((8, 9), 5))
    real = engine._forward

    class Failing:
        """Throws when the marked prompt is in a step."""

        def step(self, inputs: list[Any]) -> Any:
            if any(each[0][:2] == [7, 7] for each in inputs):
                raise RuntimeError("made to fail")
            return real.step(inputs)

    monkeypatch.setattr(engine, "_forward", Failing())
    good, bad = engine.add(EngineRequest((8, 9), 5)), engine.add(EngineRequest((7, 7, 1), 5))
    events = drain(engine)
    assert [event.token_id for event in events[good]] == list(wanted.tokens)
    error = events[bad][0].error
    assert isinstance(error, EngineError)
    assert "made to fail" in error.message
    assert events[bad][0].finish_reason is FinishReason.ERROR


def test_a_state_that_is_not_finite_fails_its_row_only(tmp_path: Path) -> None:
    """Given an embedding so large that its row overflows, when two rows run, then only that one fails."""
    weights = write_tiny(tmp_path, tie_word_embeddings=False)
    weights["model.embed_tokens.weight"][42] = 3e38
    save_file(weights, tmp_path / "model.safetensors")
    pack(tmp_path)
    engine = NativeEngine(tmp_path, NativeOptions(threads=1))
    good, bad = engine.add(EngineRequest((1, 2), 1)), engine.add(EngineRequest((1, 42), 3))
    events = drain(engine)
    assert events[bad][-1].error is not None
    assert [event.error for event in events[good]] == [None]


def test_speculation_changes_nothing_but_the_number_of_steps(tiny_model: Path) -> None:
    """Given rows that repeat themselves, when run with and without guesses, then outputs are equal in fewer steps."""
    chance = random.Random(3)
    requests = [random_request(chance) for _ in range(40)]
    steps: dict[bool, int] = {}
    outputs: dict[bool, list[list[tuple[int | None, float | None]]]] = {}
    for speculation in (False, True):
        engine = NativeEngine(tiny_model, NativeOptions(threads=1, speculation=speculation))
        calls = 0
        outputs[speculation] = []
        for request in requests:
            engine.add(request)
            events: list[TokenEvent] = []
            while engine.has_work():
                calls += 1
                events += engine.step()
            outputs[speculation].append([(event.token_id, event.logprob) for event in events])
        steps[speculation] = calls
    assert outputs[True] == outputs[False]
    assert steps[True] < steps[False]


def test_an_instruction_set_can_be_forced(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given FINANCELLM_ISA, when set to each path, then all give the same output; an unknown one is refused."""
    request = EngineRequest((5, 6, 7), 10, Sampling(0.8, seed=4), logprobs=True)
    outputs = []
    for isa in _native.supported_isas():
        monkeypatch.setenv("FINANCELLM_ISA", isa)
        engine = NativeEngine(tiny_model, NativeOptions(threads=2))
        assert engine.isa == isa
        outputs.append(run_alone(engine, request))
    assert all(output == outputs[0] for output in outputs)
    monkeypatch.setenv("FINANCELLM_ISA", "sse9")
    with pytest.raises(ConfigurationError, match="sse9"):
        NativeEngine(tiny_model)


def test_a_missing_or_damaged_file_is_told_at_start(tmp_path: Path, tiny_model: Path) -> None:
    """Given no packed file or a changed tensor, when started, then the error says what to do."""
    with pytest.raises(ModelFilesError, match="model prepare"):
        NativeEngine(tmp_path)
    data = bytearray((tiny_model / PACKED_NAME).read_bytes())
    data[read_header(tiny_model / PACKED_NAME).tensors["head.tiles"].offset] ^= 1
    (tmp_path / PACKED_NAME).write_bytes(data)
    with pytest.raises(ModelFilesError, match=r"head\.tiles"):
        NativeEngine(tmp_path)


def test_close_ends_the_threads(tiny_model: Path) -> None:
    """Given an engine with threads, when closed, then its operating system threads are gone."""
    gc.collect()  # engines of other tests

    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    engine = NativeEngine(tiny_model, NativeOptions(threads=6, verify=False))
    assert threads() == before + 5
    engine.close()
    deadline_s = time.monotonic() + 5
    while threads() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert threads() == before
