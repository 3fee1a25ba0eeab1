"""One suite for every engine: what the contract promises, on one tiny model.

An engine follows the reference if each token it chose is, along its own text, within `tolerance` standard deviations
of the best logit of the float32 reference: the same text for float engines but for ties, and nearly so for rounded
weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from common.errors import EngineError, PromptTooLongError, RequestError
from common.jobs import GenerateRequest
from common.prompts import Message
from tests.integration.engines.subjects import MAX_ROWS, ROW_TOKENS, Subject, reference_logprobs, regrets
from worker.engine.base import Engine, EngineRequest, FinishReason, Sampling, TokenEvent
from worker.engine.loop import EngineLoop
from worker.engine.rows import AbortReason, RowAbortedError

# vLLM imports parts of torch that warn of themselves, and looks at one that is to go.
pytestmark = pytest.mark.filterwarnings(
    "default::DeprecationWarning:torch.*", "default::FutureWarning:vllm.*", "default::FutureWarning:torch.*"
)

PROMPTS = ((1, 2, 3), tuple(range(40, 90)), (7,) * 33, (250, 9, 120, 11, 5))
POISON = (66, 66, 66)
WAIT_S = 120


def asked(subject: Subject, prompt: Sequence[int], max_tokens: int = 12, **settings: Any) -> EngineRequest:
    return EngineRequest(tuple(prompt), max_tokens, stop_token_ids=subject.stops, **settings)


def drain(engine: Engine) -> dict[int, list[TokenEvent]]:
    events: dict[int, list[TokenEvent]] = {}
    while engine.has_work():
        for event in engine.step():
            events.setdefault(event.row, []).append(event)
    return events


def alone(engine: Engine, request: EngineRequest) -> list[int]:
    row = engine.add(request)
    return tokens_of(drain(engine)[row])


def tokens_of(events: list[TokenEvent]) -> list[int]:
    assert all(event.error is None for event in events)
    assert [event.finish_reason is None for event in events] == [True] * (len(events) - 1) + [False]
    return [event.token_id for event in events if event.token_id is not None]


def test_contract(subject: Subject, engine: Engine) -> None:
    """Given an engine, when asked what it is, then it has every verb, its own name and nothing to do."""
    assert isinstance(engine, Engine)
    assert engine.capabilities.name == subject.name
    assert engine.capabilities.max_rows == MAX_ROWS
    assert engine.capabilities.max_row_tokens <= ROW_TOKENS
    assert not engine.has_work()
    engine.abort(99)


def test_greedy_text(subject: Subject, engine: Engine) -> None:
    """Given prompts, when decoded greedily one by one, then the text follows the reference, twice alike."""
    for prompt in PROMPTS:
        tokens = alone(engine, asked(subject, prompt))
        assert tokens == alone(engine, asked(subject, prompt))
        if subject.tolerance is not None:
            assert regrets(prompt, tokens).max() <= subject.tolerance


def test_batch(subject: Subject, engine: Engine) -> None:
    """Given rows together, when run, then each follows the reference, and equals itself alone where promised."""
    expected = [alone(engine, asked(subject, prompt)) for prompt in PROMPTS]
    rows = [engine.add(asked(subject, prompt)) for prompt in PROMPTS]
    events = drain(engine)
    for row, prompt, single in zip(rows, PROMPTS, expected, strict=True):
        tokens = tokens_of(events[row])
        assert len(tokens) == len(single)
        if engine.capabilities.batch_invariant:
            assert tokens == single
        if subject.tolerance is not None:
            assert regrets(prompt, tokens).max() <= subject.tolerance
    assert max(event.rows_in_step for row in rows for event in events[row]) > 1


def test_more_rows_than_places(subject: Subject, engine: Engine) -> None:
    """Given three times as many rows as places, when run, then every one ends with all its tokens."""
    rows = [engine.add(asked(subject, (number + 1, 2, 3), 5)) for number in range(3 * MAX_ROWS)]
    events = drain(engine)
    assert sorted(events) == rows
    assert all(len(tokens_of(events[row])) == 5 for row in rows)


def test_max_tokens(subject: Subject, engine: Engine) -> None:
    """Given limits, when reached, then rows end there by length, at one token as at the longest row there may be."""
    for limit in (1, 7):
        row = engine.add(asked(subject, PROMPTS[0], limit))
        events = drain(engine)[row]
        assert len(tokens_of(events)) == limit
        assert events[-1].finish_reason is FinishReason.LENGTH


def test_stop_token(subject: Subject, engine: Engine) -> None:
    """Given a token of a known text as stop token, when run again, then the row ends with it and says so."""
    free = alone(engine, asked(subject, PROMPTS[1]))
    stop = free[4]
    row = engine.add(EngineRequest(PROMPTS[1], 12, stop_token_ids=subject.stops | {stop}))
    events = drain(engine)[row]
    assert tokens_of(events) == free[: free.index(stop) + 1]
    assert events[-1].finish_reason is FinishReason.STOP


def test_streaming(subject: Subject, engine: Engine) -> None:
    """Given a row, when stepped, then tokens come over many steps, in order of time, and not all at the end."""
    engine.add(asked(subject, PROMPTS[0]))
    steps = []
    while engine.has_work():
        if events := engine.step():
            steps.append(events)
    assert len(steps) >= 6
    times = [event.at_s for events in steps for event in events]
    assert times == sorted(times)


def test_abort(subject: Subject, engine: Engine) -> None:
    """Given running and waiting rows, when two are aborted, then these fall silent and the others end as ever."""
    expected = [alone(engine, asked(subject, (number + 1, 5), 8)) for number in range(6)]
    rows = [engine.add(asked(subject, (number + 1, 5), 8)) for number in range(6)]
    engine.step()
    for row in (rows[0], rows[5]):
        engine.abort(row)
    events = drain(engine)
    assert not {rows[0], rows[5]} & set(events)
    for row, tokens in list(zip(rows, expected, strict=True))[1:5]:
        assert len(events[row]) in (len(tokens), len(tokens) - 1)  # the first may have come before the abort
    assert not engine.has_work()


def test_seed(subject: Subject, engine: Engine) -> None:
    """Given a temperature, when drawn, then equal seeds give equal tokens; only engines that sample vary by seed."""

    def drawn(seed: int) -> list[int]:
        return alone(engine, asked(subject, PROMPTS[0], sampling=Sampling(1.8, 0.98, 100, seed)))

    assert drawn(1) == drawn(1)
    texts = {tuple(drawn(seed)) for seed in range(4)}
    assert len(texts) > 1 if engine.capabilities.sampling else len(texts) == 1


def test_logprobs(subject: Subject, engine: Engine) -> None:
    """Given a request for log probabilities, when run, then they are the reference's or none; unasked, none."""
    row = engine.add(asked(subject, PROMPTS[0], logprobs=True))
    events = drain(engine)[row]
    found = [event.logprob for event in events]
    if not engine.capabilities.logprobs:
        assert set(found) == {None}
        return
    wanted = reference_logprobs(PROMPTS[0], tokens_of(events))
    assert subject.tolerance is not None
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine is not None
        assert mine <= 1e-6
        assert mine == pytest.approx(float(theirs), abs=0.05 + 4 * subject.tolerance)
    row = engine.add(asked(subject, PROMPTS[0]))
    assert {event.logprob for event in drain(engine)[row]} == {None}


def test_refused_rows_leave_others_alone(subject: Subject, engine: Engine) -> None:
    """Given a running row, when one that can never run is added, then only that one is refused."""
    row = engine.add(asked(subject, PROMPTS[0]))
    with pytest.raises(PromptTooLongError):
        engine.add(asked(subject, (1,) * (ROW_TOKENS - 5), 6))
    if subject.tolerance is not None:
        with pytest.raises(RequestError, match="300"):
            engine.add(asked(subject, (1, 300)))
    assert len(tokens_of(drain(engine)[row])) == 12


class LetterTokenizer:
    """One letter a token, so that stop strings can be named without a vocabulary."""

    def __init__(self, subject: Subject) -> None:
        self.stop_token_ids = subject.stops

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        raise NotImplementedError

    def encode_text(self, text: str) -> list[int]:
        raise NotImplementedError

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(chr(0x4E00 + token) for token in token_ids if token not in self.stop_token_ids)


def ask(max_tokens: int, stop: tuple[str, ...] = ()) -> GenerateRequest:
    return GenerateRequest(messages=(), max_tokens=max_tokens, stop=stop)


def test_stop_string(subject: Subject, model: Path) -> None:
    """Given two letters of a known text as stop string, when run in the loop, then the text ends before them."""
    loop = EngineLoop(lambda: subject.build(model), LetterTokenizer(subject))
    try:
        free = loop.submit(ask(12), list(PROMPTS[1]), False, None).future.result(WAIT_S)
        stop = free.text[5:7]
        ended = loop.submit(ask(12, (stop,)), list(PROMPTS[1]), False, None).future.result(WAIT_S)
    finally:
        loop.close()
    assert ended.text == free.text[: free.text.index(stop)]
    assert ended.finish_reason is FinishReason.STOP


def test_cancelled_in_the_loop(subject: Subject, model: Path) -> None:
    """Given two rows in the loop, when one is cancelled, then its future says so and the other has its whole text."""
    loop = EngineLoop(lambda: subject.build(model), LetterTokenizer(subject))
    try:
        lost = loop.submit(ask(150), list(PROMPTS[0]), False, None)
        lost.abort(AbortReason.CANCELLED)
        kept = loop.submit(ask(12), list(PROMPTS[1]), False, None)
        assert len(kept.future.result(WAIT_S).text) == 12
        with pytest.raises(RowAbortedError):
            lost.future.result(WAIT_S)
    finally:
        loop.close()


class Breaking:
    """An engine that raises in each step while a poisoned row is in it."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self._poisoned: set[int] = set()
        self.capabilities = inner.capabilities

    def add(self, request: EngineRequest) -> int:
        row = self._inner.add(request)
        if request.prompt_token_ids[:3] == POISON:
            self._poisoned.add(row)
        return row

    def step(self) -> list[TokenEvent]:
        if self._poisoned:
            raise RuntimeError("made to fail")
        return self._inner.step()

    def abort(self, row: int) -> None:
        self._poisoned.discard(row)
        self._inner.abort(row)

    def has_work(self) -> bool:
        return self._inner.has_work()

    def close(self) -> None:
        self._inner.close()


def test_a_row_that_breaks_steps_fails_alone(subject: Subject, model: Path) -> None:
    """Given a row whose steps raise, when run beside two others, then a fresh engine gives these their whole text."""
    loop = EngineLoop(lambda: Breaking(subject.build(model)), LetterTokenizer(subject))
    try:
        good = [loop.submit(ask(12), list(prompt), False, None) for prompt in PROMPTS[:2]]
        bad = loop.submit(ask(12), list(POISON), False, None)
        with pytest.raises(EngineError):
            bad.future.result(WAIT_S)
        assert [len(handle.future.result(WAIT_S).text) for handle in good] == [12, 12]
    finally:
        loop.close()
