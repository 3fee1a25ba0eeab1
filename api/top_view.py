"""What `financellm top` shows of a running service: lanes, workers, and how fast both move."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from api.client import JsonObject

BAR_WIDTH = 20
UNKNOWN = "-"
ENDED = ("succeeded", "failed", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at GET /v1/overview and the monotonic second it was taken at."""

    overview: JsonObject
    at_s: float

    def jobs_per_second(self, before: "Sample | None") -> float | None:
        """Return how many jobs ended a second since an earlier look, None without one."""
        if before is None or self.at_s <= before.at_s:
            return None
        ended = _ended(self.overview["counts"]) - _ended(before.overview["counts"])
        return ended / (self.at_s - before.at_s)


def frame(url: str, now: Sample, before: Sample | None) -> RenderableType:
    """Return one picture of the service."""
    return Group(_headline(url, now, before), _lanes(now.overview), _workers(now.overview), _counts(now.overview))


def _headline(url: str, now: Sample, before: Sample | None) -> Text:
    rate = now.overview["tokens_per_second"]
    jobs = now.jobs_per_second(before)
    workers = len(now.overview["workers"])
    parts = (
        f"{url}",
        f"{workers} worker{'' if workers == 1 else 's'}",
        f"{_number(rate)} tokens/s",
        f"{UNKNOWN if jobs is None else f'{jobs:.1f}'} jobs/s",
    )
    return Text(" · ".join(parts), style="bold")


def _lanes(overview: JsonObject) -> Table:
    table = _table("lane", "queued", "tokens", "next waits", "oldest waits", "done in")
    rate = overview["tokens_per_second"]
    for name, lane in overview["lanes"].items():
        work_s = lane["backlog_tokens"] / rate if rate else None
        table.add_row(
            name,
            f"{lane['waiting']:,}",
            f"{lane['backlog_tokens']:,}",
            _duration(lane["head_age_ms"] / 1000),
            _duration(lane["oldest_age_ms"] / 1000),
            _duration(work_s if lane["waiting"] else 0.0),
        )
    return table


def _workers(overview: JsonObject) -> RenderableType:
    workers = overview["workers"]
    if not workers:
        return Text("No worker is there; jobs wait.", style="red")
    table = _table("worker", "engine", "revision", "rows", "", "tokens/s", "lanes")
    for worker in sorted(workers, key=lambda worker: str(worker["name"])):
        table.add_row(
            worker["name"],
            worker["engine"],
            worker["model_revision"],
            f"{worker['running']}/{worker['max_rows']}",
            ProgressBar(total=worker["max_rows"], completed=worker["running"], width=BAR_WIDTH),
            _number(worker["tokens_per_second"]),
            "draining" if worker["draining"] else " ".join(worker["lanes"]),
        )
    return table


def _counts(overview: JsonObject) -> Text:
    counts = overview["counts"]
    names = ("running", "accepted", *ENDED)
    shown = [f"{counts[name]:,} {name}" for name in names if counts.get(name)]
    if counts.get("leases_lost"):
        shown.append(f"{counts['leases_lost']:,} taken back from lost workers")
    if overview["webhooks"]:
        shown.append(f"{overview['webhooks']:,} webhooks waiting")
    return Text(" · ".join(shown) or "No job yet.", style="dim")


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        is_text = number == 0 or heading in ("engine", "revision", "", "lanes")
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=True, overflow="ellipsis")
    return table


def _ended(counts: Mapping[str, int]) -> int:
    return sum(counts.get(name, 0) for name in ENDED)


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
