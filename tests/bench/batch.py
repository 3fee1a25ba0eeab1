"""A large batch on the fake engine: `python -m tests.bench.batch --lines 50000`; wall time, memory, rows lost.

One line in a hundred asks for a parameter that is refused, so that the error file has something to be complete in.
Resident memory of the gateway, the workers and Redis is read before, at each quarter of the rows, and after.
"""

import argparse
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from tests.bench.batch_client import ended, finished_share, result_ids, start_batch
from tests.bench.report import print_line, print_table
from tests.support.bulk_runs import chat_line
from tests.support.stack import Stack

MEBIBYTE = 1 << 20
REFUSED_EVERY = 100
QUARTERS = (0.25, 0.5, 0.75)
MOMENTS = ("before", "at 25%", "at 50%", "at 75%", "peak", "after")
_POLL_S = 0.5


class Memory:
    """Samples resident memory of processes and Redis while a batch runs."""

    def __init__(self, stack: Stack) -> None:
        api = stack.api
        assert api is not None
        self._processes = {"gateway": api.pid, **{f"worker {n}": worker.pid for n, worker in enumerate(stack.workers)}}
        self._redis = redis.Redis.from_url(stack.redis.url)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seen = {"before": self.sample()}
        self.peak = dict(self.seen["before"])

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._redis.close()

    def note(self, moment: str) -> None:
        """Keep a sample under a name."""
        self.seen[moment] = self.sample()

    def sample(self) -> dict[str, float]:
        """Return mebibytes by process."""
        found = {name: psutil.Process(pid).memory_info().rss / MEBIBYTE for name, pid in self._processes.items()}
        info: Any = self._redis.info("memory")
        return found | {"redis": info["used_memory"] / MEBIBYTE}

    def by_process(self) -> dict[str, dict[str, float]]:
        """Return mebibytes by process and moment, the peak among them."""
        seen = self.seen | {"peak": self.peak}
        return {
            name: {moment: round(seen[moment][name], 1) for moment in MOMENTS if moment in seen} for name in self.peak
        }

    def _watch(self) -> None:
        while not self._done.wait(_POLL_S):
            for name, mebibytes in self.sample().items():
                self.peak[name] = max(self.peak[name], mebibytes)


def main() -> None:
    """Run one batch and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batch", description=__doc__)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    env = {"FINANCELLM_FAKE_STEP_MS": "1", "FINANCELLM_MAX_ROWS": "32", "FINANCELLM_LOG_LEVEL": "WARNING"}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), "fake", arguments.workers, env) as stack:
        report(run(stack, arguments.lines), arguments.lines)


def run(stack: Stack, lines: int) -> dict[str, Any]:
    """Upload a file, run its batch to the end, read both results."""
    path = stack.folder / "in.jsonl"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line(number) + "\n" for number in range(lines))
    with httpx.Client(base_url=stack.url, timeout=600) as client, Memory(stack) as memory:
        started_s = time.monotonic()
        batch = start_batch(client, path)
        quarters = list(QUARTERS)
        while not ended(batch):
            time.sleep(_POLL_S)
            batch = client.get(f"/v1/batches/{batch['id']}").raise_for_status().json()
            while quarters and finished_share(batch) >= quarters[0]:
                memory.note(f"at {quarters.pop(0):.0%}")
        wall_s = time.monotonic() - started_s
        answered = Counter(result_ids(client, batch["output_file_id"]))
        refused = Counter(result_ids(client, batch["error_file_id"]))
        memory.note("after")
    rows = answered + refused
    return {
        "status": batch["status"],
        "rows_answered": answered.total(),
        "rows_refused": refused.total(),
        "rows_lost": lines - len(rows),
        "rows_doubled": rows.total() - len(rows),
        "seconds": round(wall_s, 1),
        "rows_per_second": round(lines / wall_s, 1),
        "input_mib": round(path.stat().st_size / MEBIBYTE, 1),
        "memory_mib": memory.by_process(),
    }


def line(number: int) -> str:
    """Return a line of the input; one in a hundred is refused."""
    unsupported = {"n": 2} if number % REFUSED_EVERY == 0 else {}
    return chat_line(f"row-{number}", f"Question {number} about revenue?", **{"max_tokens": 4, **unsupported})


def report(result: dict[str, Any], lines: int) -> None:
    """Print tables for people and one line for machines."""
    shown = ("status", "rows_answered", "rows_refused", "rows_lost", "rows_doubled", "seconds", "rows_per_second")
    rows = [(name.replace("_", " "), result[name]) for name in shown]
    print_table(f"a batch of {lines} lines on the fake engine", ("figure", "value"), rows)
    memory = result["memory_mib"].items()
    sizes = [(name, *(at.get(moment, "-") for moment in MOMENTS)) for name, at in memory]
    print_table("resident memory, MiB (of Redis: used)", ("process", *MOMENTS), sizes)
    print_line("batch", engine="fake", lines=lines, **result)


if __name__ == "__main__":
    main()
