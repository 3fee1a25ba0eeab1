"""Answers a list of prompts with the native engine in a process of its own, with or without its prefix cache."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.engines_timing import run_job
from worker.engine.base import EngineRequest
from worker.engine.native.engine import NativeEngine, NativeOptions

_WARM_UP = tuple(range(1_000, 1_064))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Load the engine, warm it up, and answer all prompts, queued at once in the order given."""
    engine = NativeEngine(Path(job["model_dir"]), NativeOptions(max_rows=job["rows"], prefix_cache=job["prefix_cache"]))
    _answers(engine, [_WARM_UP], 4, frozenset())
    started_s = time.perf_counter()
    texts, cached = _answers(engine, job["prompts"], job["answer_tokens"], frozenset(job["stops"]))
    seconds = time.perf_counter() - started_s
    threads = engine.threads
    engine.close()
    return {"seconds": seconds, "texts": texts, "cached_tokens": cached, "threads": threads}


def _answers(
    engine: NativeEngine, prompts: Sequence[Sequence[int]], tokens: int, stops: frozenset[int]
) -> tuple[list[list[int]], int]:
    """Return each prompt's new tokens, and how many prompt tokens were found in the cache."""
    requests = [EngineRequest(tuple(prompt), tokens, stop_token_ids=stops) for prompt in prompts]
    texts: dict[int, list[int]] = {engine.add(request): [] for request in requests}
    cached = dict.fromkeys(texts, 0)
    while engine.has_work():
        for event in engine.step():
            if event.error is not None:
                raise event.error
            cached[event.row] = max(cached[event.row], event.cached_prompt_tokens)
            if event.token_id is not None:
                texts[event.row].append(event.token_id)
    return list(texts.values()), sum(cached.values())


if __name__ == "__main__":
    run_job(prepare)
