"""`python -m tests.bench.footprint`: resident memory of each process, seconds of a cold start."""

import argparse
import asyncio
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.bench.model_load import load
from tests.bench.report import print_line, print_table
from tests.support.stack import Stack

GIGABYTE = 1e9
CLIENTS = 16


def main() -> None:
    """Start, measure, work, measure again; print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto", help="engine of the worker")
    parser.add_argument("--starts", type=int, default=3, help="starts of which the median is taken")
    parser.add_argument("--jobs", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), options.engine, workers=0) as stack:
        starts_s = [_start_s(stack) for _ in range(options.starts)]
        idle = _resident_gb(stack)
        asyncio.run(load(stack.port, CLIENTS, options.jobs, 64, first=0))
        worked = _resident_gb(stack)
    rows = [[name, idle[name], worked[name]] for name in idle]
    print_table("Resident memory, GB", ["process", "idle", f"after {options.jobs} answers"], rows)
    start = ["worker, from its start until it takes jobs", statistics.median(starts_s)]
    print_table("Cold start", ["figure", "s"], [start])
    print_line(
        "footprint",
        engine=options.engine,
        resident_gb_idle=idle,
        resident_gb_worked=worked,
        cold_start_s=statistics.median(starts_s),
        cold_starts_s=starts_s,
    )


def _start_s(stack: Stack) -> float:
    """Return the seconds of one start; the worker before it is stopped first."""
    for worker in stack.workers:
        _stop(worker)
    stack.workers.clear()
    while stack.live_workers() != 0:  # or the one before would be taken for the one that starts
        time.sleep(0.1)
    started_s = time.monotonic()
    stack.start_worker()
    stack.wait_ready(1)
    return time.monotonic() - started_s


def _stop(worker: "subprocess.Popen[bytes]") -> None:
    worker.terminate()
    worker.wait()


def _resident_gb(stack: Stack) -> dict[str, float]:
    assert stack.api is not None
    with redis.Redis.from_url(stack.redis.url) as client:
        info: Any = client.info("memory")
    return {
        "gateway": psutil.Process(stack.api.pid).memory_info().rss / GIGABYTE,
        "worker": psutil.Process(stack.workers[-1].pid).memory_info().rss / GIGABYTE,
        "redis": info["used_memory_rss"] / GIGABYTE,
    }


if __name__ == "__main__":
    main()
