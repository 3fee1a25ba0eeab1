"""`python -m tests.bench.batch_kill`: a batch of short finance questions whose worker is killed with -9 midway.

Each time the share of finished rows passes one of --kill-at, the worker is killed and a fresh one is started. Counted
are lines without a row, rows beyond one a line, and requests that were computed to their end more than once (by the
workers' logs).
"""

import argparse
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.bench.batch_client import ended, finished_share, result_rows, start_batch
from tests.bench.bulk_kill import computed
from tests.bench.report import print_line, print_table
from tests.support.bulk_runs import chat_line
from tests.support.stack import Stack

_POLL_S = 0.2
_NEW_TOKENS = 20
_NAMES = ("Revenue", "Net income", "Operating cash flow", "Gross profit", "Capital expenditure")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a batch ended: its last state, the shares at which its worker was killed, its rows, new tokens, seconds."""

    batch: dict[str, Any]
    kills: tuple[float, ...]
    rows: Counter[str]
    answered: int
    new_tokens: int
    seconds: float


def main() -> None:
    """Run, kill, count, print the table and the machine line."""
    options = _options()
    with tempfile.TemporaryDirectory() as name, Stack(Path(name), options.engine) as stack:
        path = stack.folder / "in.jsonl"
        path.write_text("\n".join(question(number) for number in range(options.lines)), "utf-8")
        outcome = _run(stack, path, options.kill_at)
        runs = computed(line for log in (stack.folder / "logs").glob("worker-*.log") for line in _lines(log))
    _print(outcome, runs, options)


def question(number: int) -> str:
    """Return a line of the input: a question about two made-up figures, other ones in each line."""
    name = _NAMES[number % len(_NAMES)]
    before, after = 100 + number, 250 + 3 * number
    text = f"{name} was ${before} million in 2022 and ${after} million in 2023. What was {name.lower()} in 2023?"
    return chat_line(f"row-{number}", text, max_tokens=_NEW_TOKENS, temperature=0)


def lost_and_doubled(rows: Counter[str], lines: int) -> tuple[int, int]:
    """Return how many of a batch's lines have no row, and how many rows are there beyond one a line."""
    wanted = {f"row-{number}" for number in range(lines)}
    return len(wanted - rows.keys()), rows.total() - len(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batch_kill", description=__doc__)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--engine", default="auto", help="engine of the worker; fake for a quick look")
    parser.add_argument("--kill-at", type=float, nargs="+", default=[0.3, 0.6], help="shares of finished rows")
    return parser.parse_args()


def _run(stack: Stack, path: Path, kill_at: Sequence[float]) -> Outcome:
    shares, kills = sorted(kill_at), []
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        started_s = time.monotonic()
        batch = start_batch(client, path)
        while not ended(batch):
            time.sleep(_POLL_S)
            batch = client.get(f"/v1/batches/{batch['id']}").raise_for_status().json()
            if shares and not ended(batch) and (reached := finished_share(batch)) >= shares[0]:
                shares.pop(0)
                kills.append(reached)
                _replace_worker(stack)
        seconds = time.monotonic() - started_s
        answers = list(result_rows(client, batch["output_file_id"]))
        errors = list(result_rows(client, batch["error_file_id"]))
    rows = Counter(row["custom_id"] for row in answers + errors)
    new_tokens = sum(row["response"]["body"]["usage"]["completion_tokens"] for row in answers)
    return Outcome(batch, tuple(kills), rows, len(answers), new_tokens, seconds)


def _replace_worker(stack: Stack) -> None:
    worker = stack.workers[-1]
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    stack.start_worker()


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _print(outcome: Outcome, runs: Counter[str], options: argparse.Namespace) -> None:
    counts = outcome.batch["request_counts"]
    lost, doubled = lost_and_doubled(outcome.rows, options.lines)
    again = runs.total() - len(runs)
    print_table(
        f"batch of {options.lines} lines, engine {options.engine}, worker killed {len(outcome.kills)} times",
        ("figure", "value"),
        (
            ("status", outcome.batch["status"]),
            ("killed at shares of rows", ", ".join(f"{share:.2f}" for share in outcome.kills) or "never"),
            ("rows answered", outcome.answered),
            ("rows failed with a reason", outcome.rows.total() - outcome.answered),
            ("counts of the batch, completed + failed", f"{counts['completed']} + {counts['failed']}"),
            ("rows lost", lost),
            ("rows doubled", doubled),
            ("requests computed", len(runs)),
            ("requests computed twice", again),
            ("new tokens", outcome.new_tokens),
            ("s in all", outcome.seconds),
        ),
    )
    print_line(
        "batch_kill",
        engine=options.engine,
        lines=options.lines,
        status=outcome.batch["status"],
        kills=len(outcome.kills),
        rows_answered=outcome.answered,
        rows_failed=outcome.rows.total() - outcome.answered,
        rows_lost=lost,
        rows_doubled=doubled,
        computed=len(runs),
        computed_twice=again,
        new_tokens=outcome.new_tokens,
        seconds=round(outcome.seconds, 1),
    )


if __name__ == "__main__":
    main()
