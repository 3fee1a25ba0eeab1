"""`python -m tests.bench.bulk_kill`: `financellm bulk` over a folder, its worker and itself killed with -9 midway.

Each time the share of finished rows passes one of --kill-at, command line and worker are killed, a fresh worker is
started, and the same command is run again. Counted are rows that are missing, rows that are there twice, and requests
that were computed to their end more than once (by the workers' logs). Every quote is looked up on the page it names.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.bulk_client import BulkClient
from api.client import ApiClient, JsonObject
from common.queries import Row
from tests.bench.bulk import QUESTIONS
from tests.bench.report import print_line, print_table
from tests.support.stack import Stack

_POLL_S = 0.05
# Slow enough that there is a middle to be killed in.
_FAKE = {"FINANCELLM_FAKE_STEP_MS": "10"}


@dataclass(frozen=True, slots=True)
class Found:
    """What is left of a run that was killed: the table's rows and what the service says of the query."""

    rows: tuple[Row, ...]
    query: JsonObject
    queries: int
    documents: int
    cited: int
    valid: int


def main() -> None:
    """Run, kill, resume, count, print the table and the machine line."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "questions.txt").write_text("\n".join(QUESTIONS[: options.questions]), "utf-8")
        env = _FAKE if options.engine == "fake" else {}
        with Stack(folder, options.engine, env=env) as stack, ApiClient(stack.url) as http:
            started_s = time.monotonic()
            kills = _run_killed(stack, http, options)
            seconds = time.monotonic() - started_s
            found = _found(http, stack.url, folder / "out.jsonl")
            runs = computed(line for path in (folder / "logs").glob("worker-*.log") for line in _lines(path))
    _print(found, runs, kills, seconds, options.engine)


def computed(log_lines: Iterator[str]) -> Counter[str]:
    """Count how often each job was computed to its end, by workers' logs."""
    # The last line of a killed worker may be cut off.
    whole = (line for line in log_lines if '"job ended"' in line and line.rstrip().endswith("}"))
    entries = map(json.loads, whole)
    return Counter(entry["job_id"] for entry in entries if entry.get("status") == "succeeded")


def lost_and_doubled(rows: Sequence[Row], total: int) -> tuple[int, int]:
    """Return how many of a query's rows have no end, and how many are there more than once."""
    ended = [(row.document_id, row.question_id) for row in rows if row.status != "pending"]
    distinct = len(set(ended))
    return total - distinct, len(ended) - distinct


def _options() -> argparse.Namespace:
    data = os.environ.get("FINANCELLM_SHARED_DATA")
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bulk_kill", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(data) / "reports" if data else None)
    parser.add_argument("--engine", default="auto", help="engine of the worker; fake for a quick look")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS))
    parser.add_argument("--kill-at", type=float, nargs="+", default=[0.3, 0.6], help="shares of finished rows")
    options = parser.parse_args()
    if options.folder is None:
        parser.error("set --folder, or FINANCELLM_SHARED_DATA to the folder of real finance data")
    return options


def _run_killed(stack: Stack, http: ApiClient, options: argparse.Namespace) -> list[float]:
    """Run the command until it has ended by itself; returns the shares at which it was killed."""
    killed: list[float] = []
    for share in sorted(options.kill_at):
        command = _start(stack, options.folder)
        while command.poll() is None and (reached := _share(http)) < share:
            time.sleep(_POLL_S)
        if command.poll() is not None:
            break
        for process in (command, stack.workers[-1]):
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed.append(reached)
        stack.start_worker()
    last = _start(stack, options.folder)
    if last.wait() != 0:
        raise RuntimeError(f"the resumed command ended with {last.returncode}\n{stack.logs()}")
    return killed


def _start(stack: Stack, folder: Path) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
    questions, output = stack.folder / "questions.txt", stack.folder / "out.jsonl"
    return subprocess.Popen(
        [sys.executable, "-m", "api.cli", "bulk", str(folder), "--questions", str(questions), "-o", str(output)],
        env={**kept, "FINANCELLM_API_URL": stack.url, "NO_COLOR": "1"},
        stderr=subprocess.DEVNULL,
    )


def _queries(http: ApiClient) -> list[JsonObject]:
    client = BulkClient(http)
    collections = http.call("GET", "/v1/collections", params={"limit": "100"})["data"]
    return [query for collection in collections for query in client.queries(collection["id"])]


def _share(http: ApiClient) -> float:
    counts = [query["counts"] for query in _queries(http)]
    total = sum(count["total"] for count in counts)
    return 1 - sum(count["pending"] for count in counts) / total if total else 0.0


def _found(http: ApiClient, url: str, table: Path) -> Found:
    queries = _queries(http)
    query = queries[0]
    rows = tuple(Row.model_validate_json(line) for line in _lines(table))
    documents = BulkClient(http).documents(query["collection_id"])
    cited, valid = _citations(f"{url}/v1/collections/{query['collection_id']}/documents", rows)
    return Found(rows, query, len(queries), len(documents), cited, valid)


def _citations(url: str, rows: Sequence[Row]) -> tuple[int, int]:
    """Return how many quotes there are, and how many stand on the page they name."""
    cited = valid = 0
    with httpx.Client(base_url=url, timeout=60) as http:
        for citation in (citation for row in rows for citation in row.citations):
            page: dict[str, Any] = http.get(f"/{citation['document_id']}/pages/{citation['page']}").json()
            cited += 1
            valid += citation["quote"] in page["text"]
    return cited, valid


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _print(found: Found, runs: Counter[str], kills: Sequence[float], seconds: float, engine: str) -> None:
    counts = found.query["counts"]
    lost, doubled = lost_and_doubled(found.rows, counts["total"])
    again = sum(count - 1 for count in runs.values())
    print_table(
        f"financellm bulk, engine {engine}, worker and command line killed {len(kills)} times",
        ("figure", "value"),
        (
            ("killed at shares of rows", ", ".join(f"{share:.2f}" for share in kills) or "never: it was done before"),
            ("documents", found.documents),
            ("rows in all", counts["total"]),
            ("rows answered", counts["succeeded"]),
            ("rows failed with a reason", counts["failed"]),
            ("rows lost", lost),
            ("rows doubled", doubled),
            ("requests computed", len(runs)),
            ("requests computed twice", again),
            ("queries made", found.queries),
            ("quotes", found.cited),
            ("quotes that stand on their page", found.valid),
            ("s in all", seconds),
        ),
    )
    print_line(
        "bulk_kill",
        engine=engine,
        kills=len(kills),
        status=found.query["status"],
        rows=counts["total"],
        rows_failed=counts["failed"],
        rows_lost=lost,
        rows_doubled=doubled,
        computed=len(runs),
        computed_twice=again,
        queries=found.queries,
        citations=found.cited,
        citations_valid=found.valid,
        seconds=seconds,
    )


if __name__ == "__main__":
    main()
