"""Measures the native engine in a process of its own: speed, start, memory, and the machine's ceilings."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from tests.bench.engines_timing import EXTRACTIVE_TOKENS, Generate, extractive, measure
from worker.engine.base import EngineRequest
from worker.engine.native.engine import NativeEngine, NativeOptions

PLAIN = NativeOptions(speculation=False, prefix_cache=False)
CONTEXT_TOKENS = 1024


def generator(engine: NativeEngine) -> Generate:
    """Return the engine as a function that is timed as its peers are."""

    def generate(prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]) -> list[list[int]]:
        requests = (EngineRequest(tuple(prompt), tokens, stop_token_ids=frozenset(stops)) for prompt in prompts)
        texts: dict[int, list[int]] = {engine.add(request): [] for request in requests}
        while engine.has_work():
            for event in engine.step():
                if event.error is not None:
                    raise event.error
                if event.token_id is not None:
                    texts[event.row].append(event.token_id)
        return list(texts.values())

    return generate


def quoting(model_dir: Path, job: dict[str, Any], speculation: bool) -> float:
    """Return tokens per second on quoted prompts, one at a time."""
    engine = NativeEngine(model_dir, replace(PLAIN, speculation=speculation))
    rate = extractive(generator(engine), job)
    engine.close()
    return rate


def tokens_per_step(model_dir: Path, job: dict[str, Any]) -> float:
    """Return how many tokens a step of a lone row gives on quoted prompts."""
    engine = NativeEngine(model_dir, replace(PLAIN, speculation=True))
    tokens = steps = 0
    for prompt in job["extractive"]:
        engine.add(EngineRequest(tuple(prompt), EXTRACTIVE_TOKENS, stop_token_ids=frozenset(job["stops"])))
        while engine.has_work():
            tokens += len(engine.step())
            steps += 1
    engine.close()
    return tokens / steps


def resident_bytes(model_dir: Path, prompt: list[int], rows: int) -> int:
    """Return the resident memory with so many rows of CONTEXT_TOKENS tokens each."""
    engine = NativeEngine(model_dir, replace(PLAIN, max_rows=max(rows, 1)))
    for row in range(rows):
        filler = tuple((row * 977 + i * 31) % 50000 for i in range(CONTEXT_TOKENS - len(prompt) - 4))
        engine.add(EngineRequest((*filler, *prompt), 4))
    peak = 0
    while engine.has_work():
        engine.step()
        peak = max(peak, psutil.Process().memory_info().rss)
    engine.close()
    return peak


def ceilings(isa: str, threads: int) -> dict[str, float]:
    """Return read bandwidth in bytes per second and int8 operations per second of all threads."""
    from worker.engine.native import _native

    return {
        "read_bytes_per_second": _native.probes.read_bandwidth(isa, threads, 512 << 20, 12),
        "int8_operations_per_second": _native.probes.int8_peak(isa, threads, 2_000_000, 5),
    }


def measure_all(job: dict[str, Any]) -> dict[str, Any]:
    """Run every measurement of the native engine."""
    model_dir = Path(job["model_dir"])
    engine = NativeEngine(model_dir)
    result: dict[str, Any] = {
        "ready_s": time.time() - float(job["started_s"]),
        "isa": engine.isa,
        "threads": engine.threads,
    }
    engine.close()
    engine = NativeEngine(model_dir, PLAIN)
    result |= measure(generator(engine), job)
    isa, threads = engine.isa, engine.threads
    engine.close()
    if job["lookup"]:
        result["extractive"] = quoting(model_dir, job, speculation=True)
        result["extractive_plain"] = quoting(model_dir, job, speculation=False)
        result["extractive_tokens_per_step"] = tokens_per_step(model_dir, job)
    result["ceilings"] = ceilings(isa, threads)
    return result


def main() -> None:
    """Read the job from standard input; `memory` measures resident memory alone, in a fresh process."""
    job = json.load(sys.stdin)
    if job.get("memory"):
        print(json.dumps({"resident_bytes": resident_bytes(Path(job["model_dir"]), job["prompts"][0], job["rows"])}))
    else:
        print(json.dumps(measure_all(job)))


if __name__ == "__main__":
    main()
