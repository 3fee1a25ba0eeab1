"""Measures the native engine in a process of its own: speed, start, memory, and the machine's ceilings."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from tests.bench.engines_load import NEW_TOKENS
from worker.engine.base import EngineRequest
from worker.engine.native.engine import NativeEngine, NativeOptions

ROUNDS = 2
PLAIN = NativeOptions(speculation=False, prefix_cache=False)
CONTEXT_TOKENS = 1024


def run(engine: NativeEngine, requests: list[EngineRequest]) -> tuple[float, float, int, int]:
    """Return (seconds to every row's first token, seconds after it, tokens after it, steps)."""
    start_s = time.perf_counter()
    rows = {engine.add(request): 0 for request in requests}
    first_s = start_s
    tokens = steps = 0
    while engine.has_work():
        steps += 1
        for event in engine.step():
            rows[event.row] += 1
            tokens += 1
        if first_s == start_s and all(rows.values()):
            first_s, tokens = time.perf_counter(), 0
    return first_s - start_s, time.perf_counter() - first_s, tokens, steps


def decode_speed(engine: NativeEngine, prompts: list[list[int]], batch: int) -> float:
    """Return decode tokens per second of a batch, the best of some rounds."""
    requests = [EngineRequest(tuple(prompt), NEW_TOKENS) for prompt in prompts[:batch]]
    best = 0.0
    for _ in range(ROUNDS):
        _, seconds, tokens, _ = run(engine, requests)
        best = max(best, tokens / seconds)
    return best


def prefill_speed(engine: NativeEngine, prompts: list[list[int]]) -> float:
    """Return prompt tokens per second over all prompts, the best of some rounds."""
    requests = [EngineRequest(tuple(prompt), 1) for prompt in prompts]
    count = sum(map(len, prompts))
    return max(count / run(engine, requests)[0] for _ in range(ROUNDS))


def extractive(model_dir: Path, prompts: list[list[int]], stops: list[int], options: NativeOptions) -> dict[str, float]:
    """Return whole-answer tokens per second and tokens a step on prompts that are quoted."""
    engine = NativeEngine(model_dir, replace(options, prefix_cache=False))
    tokens = steps = 0
    seconds = 0.0
    for prompt in prompts:
        request = EngineRequest(tuple(prompt), 128, stop_token_ids=frozenset(stops))
        rounds = [run(engine, [request]) for _ in range(ROUNDS)]
        seconds += min(each[1] for each in rounds)
        tokens += rounds[0][2]
        steps += rounds[0][3]
    engine.close()
    return {"tokens_per_second": tokens / seconds, "tokens_per_step": tokens / steps}


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


def measure(job: dict[str, Any]) -> dict[str, Any]:
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
    run(engine, [EngineRequest(tuple(job["prompts"][0]), 4)])
    result["decode"] = {str(batch): decode_speed(engine, job["prompts"], batch) for batch in job["batches"]}
    result["prefill"] = prefill_speed(engine, job["prompts"])
    isa, threads = engine.isa, engine.threads
    engine.close()
    for name, speculation in (("extractive_plain", False), ("extractive", True)):
        options = NativeOptions(speculation=speculation)
        result[name] = extractive(model_dir, job["extractive"], job["stops"], options)
    result["ceilings"] = ceilings(isa, threads)
    return result


def main() -> None:
    """Read the job from standard input; `memory` measures resident memory alone, in a fresh process."""
    job = json.load(sys.stdin)
    if job.get("memory"):
        print(json.dumps({"resident_bytes": resident_bytes(Path(job["model_dir"]), job["prompts"][0], job["rows"])}))
    else:
        print(json.dumps(measure(job)))


if __name__ == "__main__":
    main()
