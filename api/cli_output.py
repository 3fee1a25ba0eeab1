"""How jobs look on a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.client import JsonObject
from common.jobs import JobStatus

STATUS_STYLES = {
    JobStatus.QUEUED: "yellow",
    JobStatus.RUNNING: "cyan",
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "magenta",
    JobStatus.EXPIRED: "red",
}
TIMING_HEADINGS = ("queue", "prefill", "decode", "total", "prompt", "tokens", "tok/s", "rows")
_NO_VALUE = "-"


def timing_line(job: JsonObject) -> str:
    """Return a finished job's measurements in one line."""
    timings = job["result"]["timings"]
    parts = [f"{name} {timings[f'{name}_ms']:,.0f} ms" for name in ("queue", "prefill", "decode")]
    return " · ".join([*parts, f"{_rate(timings)} tokens/s", f"{timings['completion_tokens']} tokens"])


def print_timing_table(console: Console, jobs: Sequence[JsonObject], wall_s: float) -> None:
    """Print one row a job and what all took together; `wall_s` is the time from first submission to last end."""
    console.print("Milliseconds, tokens, and how many rows shared a step:", highlight=False)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("job", no_wrap=True)
    for heading in TIMING_HEADINGS:
        table.add_column(heading, justify="right")
    finished = [job for job in jobs if job["result"]]
    for job in finished:
        table.add_row(*_timing_cells(job))
    console.print(table, markup=False)
    console.print(_summary(jobs, finished, wall_s), markup=False, highlight=False, soft_wrap=True)


def print_jobs(console: Console, jobs: Sequence[JsonObject]) -> None:
    """Print a list of jobs."""
    table = Table()
    for heading in ("id", "status", "lane", "created", "try", "answer or reason"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for job in jobs:
        table.add_row(
            job["id"],
            status_text(job["status"]),
            job["lane"],
            job["created_at"],
            str(job["attempt"]),
            Text(_outcome(job)),
        )
    console.print(table)


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, style=STATUS_STYLES.get(JobStatus(status), ""))


def _timing_cells(job: JsonObject) -> list[str]:
    timings = job["result"]["timings"]
    return [
        job["metadata"].get("sample", job["id"]),
        *(f"{timings[name]:,.0f}" for name in ("queue_ms", "prefill_ms", "decode_ms", "total_ms")),
        *(str(timings[name]) for name in ("prompt_tokens", "completion_tokens")),
        _rate(timings),
        f"{timings['batch_size_mean']:.1f}",
    ]


def _summary(jobs: Sequence[JsonObject], finished: Sequence[JsonObject], wall_s: float) -> str:
    tokens = sum(job["result"]["timings"]["completion_tokens"] for job in finished)
    rate = tokens / wall_s
    text = f"{len(finished)} of {len(jobs)} succeeded in {wall_s:.1f} s, {tokens} tokens, {rate:.1f} tokens/s"
    if not finished:
        return f"{text}."
    timings = finished[0]["result"]["timings"]
    return f"{text}; engine {timings['engine']}, model revision {timings['model_revision']}."


def _rate(timings: dict[str, Any]) -> str:
    rate = timings["decode_tokens_per_second"]
    return _NO_VALUE if rate is None else f"{rate:.1f}"


def _outcome(job: JsonObject) -> str:
    if job["result"]:
        return " ".join(job["result"]["text"].split())
    return job["error"]["message"] if job["error"] else ""
