"""A large batch on the fake engine: `python -m tests.bench.batch --lines 50000`; wall time, memory, rows lost."""

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from tests.support.bulk_runs import chat_line
from tests.support.stack import Stack

TERMINAL = {"completed", "failed", "expired", "cancelled"}
MEBIBYTE = 1 << 20
POLL_S = 0.5


class Memory:
    """Samples resident memory of processes and Redis while a batch runs."""

    def __init__(self, stack: Stack) -> None:
        api = stack.api
        assert api is not None
        self._processes = {"api": api.pid, **{f"worker_{n}": worker.pid for n, worker in enumerate(stack.workers)}}
        self._redis = redis.Redis.from_url(stack.redis.url)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.before = self.sample()
        self.peak = dict(self.before)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._redis.close()

    def sample(self) -> dict[str, float]:
        """Return mebibytes by process."""
        found = {name: psutil.Process(pid).memory_info().rss / MEBIBYTE for name, pid in self._processes.items()}
        info: Any = self._redis.info("memory")
        return found | {"redis": info["used_memory"] / MEBIBYTE}

    def _watch(self) -> None:
        while not self._done.wait(POLL_S):
            for name, mebibytes in self.sample().items():
                self.peak[name] = max(self.peak[name], mebibytes)


def main() -> None:
    """Run one batch and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args()
    env = {"FINANCELLM_FAKE_STEP_MS": "1", "FINANCELLM_MAX_ROWS": "32", "FINANCELLM_LOG_LEVEL": "WARNING"}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), "fake", arguments.workers, env) as stack:
        report(run(stack, arguments.lines), arguments.lines)


def run(stack: Stack, lines: int) -> dict[str, Any]:
    """Upload a file, run its batch to the end, read both results."""
    with httpx.Client(base_url=stack.url, timeout=600) as client, Memory(stack) as memory:
        path = stack.folder / "in.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(
                chat_line(f"row-{n}", f"Question {n} about revenue?", max_tokens=4) + "\n" for n in range(lines)
            )
        started_s = time.monotonic()
        with path.open("rb") as file:
            uploaded = client.post("/v1/files", data={"purpose": "batch"}, files={"file": file}).raise_for_status()
        uploaded_s = time.monotonic() - started_s
        body = {
            "input_file_id": uploaded.json()["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        }
        batch = client.post("/v1/batches", json=body).raise_for_status().json()
        while batch["status"] not in TERMINAL:
            time.sleep(POLL_S)
            batch = client.get(f"/v1/batches/{batch['id']}").raise_for_status().json()
        wall_s = time.monotonic() - started_s
        rows = Counter(custom_ids(client, batch["output_file_id"]))
        rows.update(custom_ids(client, batch["error_file_id"]))
        after = memory.sample()
    return {
        "bench": "batch",
        "engine": "fake",
        "status": batch["status"],
        "rows": sum(rows.values()),
        "rows_lost": lines - len(rows),
        "rows_doubled": sum(rows.values()) - len(rows),
        "upload_s": round(uploaded_s, 2),
        "wall_s": round(wall_s, 1),
        "rows_per_second": round(lines / wall_s, 1),
        "input_mib": round(path.stat().st_size / MEBIBYTE, 1),
        "memory_mib": {
            name: {
                "before": round(memory.before[name], 1),
                "peak": round(memory.peak[name], 1),
                "after": round(last, 1),
            }
            for name, last in after.items()
        },
    }


def custom_ids(client: httpx.Client, file_id: str | None) -> Iterator[str]:
    """Yield the ids of a result file's rows."""
    if file_id is None:
        return
    with client.stream("GET", f"/v1/files/{file_id}/content") as content:
        for line in content.iter_lines():
            yield json.loads(line)["custom_id"]


def report(result: dict[str, Any], lines: int) -> None:
    """Print a table for people and one line for machines."""
    print(f"{lines} lines: {result['status']} in {result['wall_s']} s, {result['rows_per_second']} rows/s")
    print(f"rows {result['rows']}, lost {result['rows_lost']}, doubled {result['rows_doubled']}")
    for name, sizes in result["memory_mib"].items():
        print(f"  {name:10} {sizes['before']:8.1f} MiB before {sizes['peak']:8.1f} peak {sizes['after']:8.1f} after")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
