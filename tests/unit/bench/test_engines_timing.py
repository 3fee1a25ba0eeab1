"""Peers are timed alike: medians, equal token counts, the time beyond the first token."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.bench.engines_timing import NoisyTimingError, WrongCountError, beyond_s, extractive, measure, median_s

FIRST_S, TOKEN_S = 2.0, 0.5
JOB: dict[str, Any] = {
    "batches": [1, 2], "prompts": [[5] * 10, [6] * 10], "new_tokens": 5, "rounds": 3,
    "extractive": [[7] * 10], "stops": [9],
}  # fmt: skip


class MadeUpEngine:
    """Takes FIRST_S to the first token of a batch and TOKEN_S for each further one, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.delays_s: list[float] = []
        self.lost = 0
        monkeypatch.setattr("time.perf_counter", lambda: self.now_s)

    def __call__(self, prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]) -> list[list[int]]:
        count = min(tokens, 8) if stops else tokens - self.lost
        delay_s = self.delays_s.pop(0) if self.delays_s else 0.0
        self.now_s += FIRST_S + TOKEN_S * (count - 1) + delay_s
        return [[prompt[0]] * count for prompt in prompts]


def test_decode_counts_the_time_beyond_the_first_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an engine of known speed, when measured, then decode and prefill are told apart, by batch."""
    result = measure(MadeUpEngine(monkeypatch), JOB)
    assert result["decode"] == {"1": 1 / TOKEN_S, "2": 2 / TOKEN_S}
    assert result["prefill"] == {"1": 10 / FIRST_S, "2": 20 / FIRST_S}
    assert result["text"] == [5] * 5


def test_one_slow_round_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given three rounds of which one was disturbed, when timed, then the median is the undisturbed time."""
    engine = MadeUpEngine(monkeypatch)
    engine.delays_s = [0.0, 100.0, 0.0]
    assert median_s(engine, JOB["prompts"], 1, 3) == FIRST_S


def test_missing_tokens_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an engine that stops early, when measured, then it is refused with both counts."""
    engine = MadeUpEngine(monkeypatch)
    engine.lost = 2
    with pytest.raises(WrongCountError, match=r"asked for 2 x 5 tokens, got 2 x \[3\]"):
        median_s(engine, JOB["prompts"], 5, 1)


def test_a_whole_text_that_took_no_longer_than_its_first_token_is_noise() -> None:
    """Given timings in which further tokens took no time, when subtracted, then no speed is made up."""
    with pytest.raises(NoisyTimingError):
        beyond_s(2.0, 1.9)


def test_quoted_prompts_may_end_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a text that ends at a stop token, when timed, then only its own tokens count."""
    assert extractive(MadeUpEngine(monkeypatch), JOB) == 1 / TOKEN_S
