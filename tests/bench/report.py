"""How benchmarks report: a table for people, then one JSON line for machines."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def machine() -> str:
    """Describe the processor, the cores this process may use, and the memory."""
    cpu_info = Path("/proc/cpuinfo").read_text("utf-8")
    model = next((line.split(":")[1].strip() for line in cpu_info.splitlines() if line.startswith("model name")), "?")
    cores = len(os.sched_getaffinity(0))
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()}"


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table whose numbers are right-aligned and rounded to three significant places."""
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=110).print(table)


def print_line(bench: str, **values: Any) -> None:
    """Print the machine line, the last line of every benchmark's output."""
    stamp = {"machine": machine(), "date": datetime.now(UTC).strftime("%Y-%m-%d")}
    print(json.dumps({"bench": bench, **values, **stamp}), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0..1) of the values lie, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)
