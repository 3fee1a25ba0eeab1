"""The transformers engine against transformers' own generate, on a tiny random Qwen2."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from common.errors import PromptTooLongError
from worker.engine.base import EngineRequest, FinishReason, Sampling
from worker.engine.transformers_engine import TransformersEngine, number_format

VOCABULARY = 300
NO_STOP = -1


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A model with grouped queries, saved as a prepared folder would be, and the same one in memory."""
    torch.manual_seed(7)
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.3,
    )
    reference = Qwen2ForCausalLM(config)
    reference.train(False)
    folder = tmp_path_factory.mktemp("model")
    reference.save_pretrained(folder)
    return folder, reference


@pytest.fixture
def engine(model: tuple[Path, Any]) -> TransformersEngine:
    return TransformersEngine(model[0], 8, 700, "float32", 400)


def prompts(count: int) -> list[tuple[int, ...]]:
    chance = random.Random(3)
    return [tuple(chance.randrange(VOCABULARY) for _ in range(chance.randint(1, 90))) for _ in range(count)]


def expected(reference: Any, prompt: tuple[int, ...], max_tokens: int) -> list[int]:
    token_ids = torch.tensor([prompt])
    with torch.inference_mode():
        output = reference.generate(
            token_ids,
            attention_mask=torch.ones_like(token_ids),
            max_new_tokens=max_tokens,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    made: list[int] = output[0, len(prompt) :].tolist()
    return made


def greedy(reference: Any, prompt: tuple[int, ...], made: list[int]) -> list[int]:
    """Return what plain greedy decoding makes after each prefix of `made`: one pass without any cache."""
    with torch.inference_mode():
        logits = reference(torch.tensor([[*prompt, *made]])).logits[0]
    tokens: list[int] = logits.argmax(1)[len(prompt) - 1 : -1].tolist()
    return tokens


def drain(engine: TransformersEngine, made: dict[int, list[int]]) -> None:
    while engine.has_work():
        for event in engine.step():
            assert event.token_id is not None
            made.setdefault(event.row, []).append(event.token_id)


def test_a_row_alone_gives_the_reference_tokens(model: tuple[Path, Any], engine: TransformersEngine) -> None:
    # Given prompts of different lengths, when each runs alone, then the tokens are those of generate
    for prompt in prompts(4):
        made: dict[int, list[int]] = {}
        row = engine.add(EngineRequest(prompt, 30))
        drain(engine, made)
        assert made[row] == expected(model[1], prompt, 30)


def test_rows_that_join_and_leave_give_the_reference_tokens(
    model: tuple[Path, Any], engine: TransformersEngine
) -> None:
    # Given twenty rows of different lengths in an engine of eight, when they join at different steps and some are
    # aborted on the way
    chance = random.Random(5)
    rows: dict[int, EngineRequest] = {}
    aborted: set[int] = set()
    made: dict[int, list[int]] = {}
    for prompt in prompts(20):
        request = EngineRequest(prompt, chance.randint(1, 300))
        row = engine.add(request)
        rows[row] = request
        for _ in range(chance.randint(0, 12)):
            for event in engine.step():
                assert event.token_id is not None
                made.setdefault(event.row, []).append(event.token_id)
        if chance.random() < 0.2:
            aborted.add(row)
            engine.abort(row)
    drain(engine, made)
    # Then each made the tokens of plain greedy decoding, all of them unless it was aborted
    assert len(aborted) > 1
    for row, request in rows.items():
        tokens = made.get(row, [])
        assert row in aborted or len(tokens) == request.max_tokens
        assert not tokens or tokens == greedy(model[1], request.prompt_token_ids, tokens)


def test_a_stop_token_ends_a_row(model: tuple[Path, Any], engine: TransformersEngine) -> None:
    prompt = prompts(1)[0]
    tokens = expected(model[1], prompt, 20)
    engine.add(EngineRequest(prompt, 20, stop_token_ids=frozenset({tokens[5]})))
    events = []
    while engine.has_work():
        events += engine.step()
    assert [event.token_id for event in events] == tokens[: tokens.index(tokens[5]) + 1]
    assert [event.finish_reason for event in events][-1] is FinishReason.STOP


def test_sampling_follows_the_seed(engine: TransformersEngine) -> None:
    # Given one prompt with two seeds, when sampled twice each
    def sampled(seed: int) -> list[int]:
        made: dict[int, list[int]] = {}
        row = engine.add(EngineRequest(prompts(1)[0], 12, Sampling(temperature=1.5, top_p=0.95, top_k=50, seed=seed)))
        drain(engine, made)
        return made[row]

    # Then equal seeds agree and different ones do not
    assert sampled(1) == sampled(1)
    assert sampled(1) != sampled(2)


def test_top_k_of_one_is_greedy(model: tuple[Path, Any], engine: TransformersEngine) -> None:
    prompt = prompts(1)[0]
    made: dict[int, list[int]] = {}
    row = engine.add(EngineRequest(prompt, 10, Sampling(temperature=2.0, top_k=1)))
    drain(engine, made)
    assert made[row] == expected(model[1], prompt, 10)


def test_urgent_rows_join_first(model: tuple[Path, Any]) -> None:
    # Given an engine with one place, when an urgent row comes after two others
    engine = TransformersEngine(model[0], 1, 700, "float32", 400)
    later = [engine.add(EngineRequest((1, 2), 2)) for _ in range(2)]
    urgent = engine.add(EngineRequest((3, 4), 2, urgent=True))
    made: dict[int, list[int]] = {}
    drain(engine, made)
    # Then it is the first to get tokens
    assert list(made) == [urgent, *later]


def test_a_row_too_long_is_refused_with_its_counts(engine: TransformersEngine) -> None:
    with pytest.raises(PromptTooLongError, match=r"600 tokens.*101 more.*700"):
        engine.add(EngineRequest((1,) * 600, 101))
    assert not engine.has_work()


def test_prompts_join_within_the_token_budget(engine: TransformersEngine) -> None:
    # Given a budget of 400 tokens a step, when five prompts of 100 wait
    for _ in range(5):
        engine.add(EngineRequest((1,) * 100, 5))
    # Then four join in the first step, and the fifth in the next, beside the running rows
    assert len(engine.step()) == 4
    second = engine.step()
    assert len(second) == 5
    assert {event.rows_in_step for event in second} == {5}


@pytest.mark.parametrize(
    ("dtype", "device", "multiplies_bfloat16", "expected_format"),
    [
        ("auto", "cpu", True, torch.bfloat16),
        ("auto", "cpu", False, torch.float32),
        ("auto", "cuda", False, torch.bfloat16),
        ("bfloat16", "cpu", False, torch.bfloat16),
        ("float32", "cuda", True, torch.float32),
    ],
)
def test_auto_takes_float32_only_where_bfloat16_is_emulated(
    monkeypatch: pytest.MonkeyPatch, dtype: str, device: str, multiplies_bfloat16: bool, expected_format: torch.dtype
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: multiplies_bfloat16)
    assert number_format(dtype, torch.device(device)) is expected_format
