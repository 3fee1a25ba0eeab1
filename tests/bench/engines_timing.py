"""How peers are timed: warm-up, medians of repeats, equal token counts; imports the standard library alone."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

WARM_UP_TOKENS = 4
EXTRACTIVE_TOKENS = 128


class WrongCountError(Exception):
    """An engine gave more or fewer tokens than it was asked for, so that its speed would compare nothing."""


class NoisyTimingError(Exception):
    """More tokens took no longer than fewer: the machine does other work, or there are too few tokens to time."""


class Generate(Protocol):
    """Greedy generation of a whole batch: prompts, most new tokens, token ids that end a text (none: all are written).

    Returns the new token ids of each prompt.
    """

    def __call__(self, prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int], /) -> list[list[int]]: ...


def timed(
    generate: Generate, prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]
) -> tuple[float, list[list[int]]]:
    """Return the seconds of a generation and its tokens."""
    start_s = time.perf_counter()
    texts = generate(prompts, tokens, stops)
    return time.perf_counter() - start_s, texts


def median_s(generate: Generate, prompts: Sequence[Sequence[int]], tokens: int, rounds: int) -> float:
    """Return the median seconds of `tokens` new tokens for every prompt; raises WrongCountError if some are missing."""
    seconds = []
    for _ in range(rounds):
        elapsed_s, texts = timed(generate, prompts, tokens, ())
        counts = {len(text) for text in texts}
        if len(texts) != len(prompts) or counts != {tokens}:
            raise WrongCountError(f"asked for {len(prompts)} x {tokens} tokens, got {len(texts)} x {sorted(counts)}")
        seconds.append(elapsed_s)
    return statistics.median(seconds)


def beyond_s(first_s: float, whole_s: float) -> float:
    """Return the seconds beyond the first token; raises NoisyTimingError if there are none."""
    if whole_s <= first_s:
        raise NoisyTimingError(f"{whole_s:.3f} s in all, {first_s:.3f} s up to the first token: too noisy")
    return whole_s - first_s


def measure(generate: Generate, job: dict[str, Any]) -> dict[str, Any]:
    """Return decode and prefill tokens per second by batch, and the first prompt's text.

    Decode is the time beyond the first token, prefill the time up to it.
    """
    decode, prefill = {}, {}
    for batch in job["batches"]:
        prompts = job["prompts"][:batch]
        generate(prompts, WARM_UP_TOKENS, ())
        first_s = median_s(generate, prompts, 1, job["rounds"])
        whole_s = median_s(generate, prompts, job["new_tokens"], job["rounds"])
        decode[str(batch)] = batch * (job["new_tokens"] - 1) / beyond_s(first_s, whole_s)
        prefill[str(batch)] = sum(map(len, prompts)) / first_s
    text = generate(job["prompts"][:1], job["new_tokens"], ())[0]
    return {"decode": decode, "prefill": prefill, "text": text}


def extractive(generate: Generate, job: dict[str, Any]) -> float:
    """Return tokens per second after the first token over prompts that are quoted, one at a time."""
    tokens = 0
    seconds = 0.0
    for prompt in job["extractive"]:
        generate([prompt], WARM_UP_TOKENS, job["stops"])
        rounds = []
        for _ in range(job["rounds"]):
            first_s, _ = timed(generate, [prompt], 1, job["stops"])
            whole_s, texts = timed(generate, [prompt], EXTRACTIVE_TOKENS, job["stops"])
            rounds.append((beyond_s(first_s, whole_s), len(texts[0]) - 1))
        elapsed_s, count = sorted(rounds)[len(rounds) // 2]
        seconds += elapsed_s
        tokens += count
    return tokens / seconds


def run_job(prepare: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Read a job from standard input, do it, and print the result as the last line of standard output."""
    print("\n" + json.dumps(prepare(json.load(sys.stdin))), flush=True)
