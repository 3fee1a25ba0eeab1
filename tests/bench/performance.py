"""Renders docs/performance.md and its plots from the lines that `make bench` recorded in docs/performance."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.cost import ANSWER_TOKENS, PROMPT_TOKENS, Prices, cost_rows
from tests.bench.parts import PARTS, RESULTS
from tests.bench.plot import draw_lines

PRICES_NAME = "prices.json"
Line = Mapping[str, Any]

INTRODUCTION = """# Performance

Written by `make bench` from the lines it recorded in `docs/performance/*.json`; do not edit by hand. Each section says
with which command, on which machine and on which day its figures were measured. Where it says "Not measured yet", run
the command there on a quiet machine, then `python -m tests.bench --render`.
"""


def render(results: Path = RESULTS) -> Path:
    """Write the page beside the folder of results, plots into it; return the page."""
    lines = {part.name: _read(results / f"{part.name}.json") for part in PARTS}
    prices = Prices.read(results / PRICES_NAME)
    sections = [INTRODUCTION]
    for part in PARTS:
        line = lines[part.name]
        sections.append(f"## {part.name.capitalize()}: {part.what}\n")
        if line is None:
            sections.append(f"Not measured yet: `{part.shown()}`\n")
            continue
        sections.append(f"`{line['command']}` · {line['machine']} · {line['date']} · {line['seconds']:.0f} s\n")
        sections += SECTIONS[part.name](line, results)
    sections += _cost(lines["engines"], prices)
    page = results.parent / f"{results.name}.md"
    page.write_text("\n".join(sections), "utf-8")
    return page


def _read(path: Path) -> Line | None:
    if not path.is_file():
        return None
    line: Line = json.loads(path.read_text("utf-8"))
    return line


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; numbers with three significant digits, None as a dash."""
    head = f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |\n"
    return head + "".join(f"| {' | '.join(_cell(value) for value in row)} |\n" for row in rows)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def _rows(rows: Sequence[Line]) -> str:
    return table(list(rows[0]), [list(row.values()) for row in rows])


def _plot(results: Path, name: str, title: str, axes: tuple[str, str], ticks: Sequence[object], lines: Line) -> str:
    draw_lines(results / f"{name}.png", title, axes, ticks, lines)
    return f"![{title}]({results.name}/{name}.png)\n"


def _engines(line: Line, results: Path) -> list[str]:
    decode = {name: rates for name, rates in line["decode_tokens_per_second"].items() if rates}
    batches = list(decode["native"])
    prefill = line["prefill_tokens_per_second"]
    rows = [
        [name, *(rates.get(batch) for batch in batches), max(prefill[name].values()) if prefill.get(name) else None]
        for name, rates in decode.items()
    ]
    rates = {name: [found.get(batch) for batch in batches] for name, found in decode.items()}
    steps = {"a step of the native engine": [1000 * int(batch) / decode["native"][batch] for batch in batches]}
    why = "".join(f"- {name}: {reason}\n" for name, reason in line["why"].items())
    ready = f"Ready after {line['ready_s']:.2f} s; {line['resident_gb']:.2f} GB with sixteen rows of 1,024 tokens;"
    return [
        table(["tokens/s", *(f"decode, batch {batch}" for batch in batches), "prefill"], rows),
        f"{ready} {line['isa']}, {line['threads']} threads.\n",
        _plot(results, "throughput", "Decode throughput by batch", ("batch", "tokens/s"), batches, rates),
        _plot(results, "step", "Time of a step by batch", ("batch", "ms"), batches, steps),
        f"Not measured:\n\n{why}" if why else "",
    ]


def _fidelity(line: Line, results: Path) -> list[str]:
    exact, speeds = line["em"] or {}, line["answer_tokens_per_second"] or {}
    rows = [
        [name, size / 1e6, line["kl"][name], line["top1"][name], exact.get(name), speeds.get(name)]
        for name, size in line["size_bytes"].items()
    ]
    return [table(["variant", "MB", "KL to fp32", "top-1 as fp32", "exact match", "answer tokens/s"], rows)]


def _latency(line: Line, results: Path) -> list[str]:
    parts = ("queue_ms", "prefill_ms", "decode_ms")

    def split(key: str, name: str, title: str, tick: str, label: str) -> str:
        rows = line[key]
        ticks = [f"{row[tick]:.0f}" for row in rows]
        shown = {part.removesuffix("_ms"): [row[part] for row in rows] for part in parts}
        return _plot(results, name, title, (label, "ms"), ticks, shown)

    clients = line["by_clients"]
    ticks = [row["clients"] for row in clients]
    seconds = {"p50": [row["p50_s"] for row in clients], "p95": [row["p95_s"] for row in clients]}
    rate = {"tokens/s": [row["tokens_per_second"] for row in clients]}
    return [
        "By prompt length, one client:\n",
        _rows(line["by_prompt"]),
        split("by_prompt", "by_prompt", "Where time goes by prompt length", "prompt_tokens", "prompt tokens"),
        "By answer length, one client:\n",
        _rows(line["by_answer"]),
        split("by_answer", "by_answer", "Where time goes by answer length", "completion_tokens", "answer tokens"),
        "By clients, so by batch:\n",
        _rows(clients),
        _plot(results, "clients_latency", "Latency by clients", ("clients", "s"), ticks, seconds),
        _plot(results, "clients_throughput", "Throughput by clients", ("clients", "tokens/s"), ticks, rate),
    ]


def _scaling(line: Line, results: Path) -> list[str]:
    fake = line["fake"]
    measured = [row["jobs_per_second"] for row in fake]
    ideal = [row["workers"] * measured[0] for row in fake]
    lines = {"measured": measured, "proportional": ideal}
    parts = [
        "Fake workers, which sleep through their steps:\n",
        _rows(fake),
        _plot(results, "scaling", "Fake workers", ("workers", "jobs/s"), [row["workers"] for row in fake], lines),
    ]
    return [*parts, "Real workers, which share this machine's cores:\n", _rows(line["real"])] if line["real"] else parts


def _footprint(line: Line, results: Path) -> list[str]:
    idle, worked = line["resident_gb_idle"], line["resident_gb_worked"]
    rows = [[name, idle[name], worked[name]] for name in idle]
    start_s, starts = line["cold_start_s"], len(line["cold_starts_s"])
    start = f"A worker takes jobs {start_s:.1f} s after its start, the median of {starts}.\n"
    return [table(["process", "GB idle", "GB after work"], rows), start]


def _flat(line: Line, results: Path) -> list[str]:
    """Show every plain figure of a line."""
    left_out = {"bench", "machine", "date", "command", "seconds", "engine"}
    rows = [
        [name.replace("_", " "), value]
        for name, value in line.items()
        if name not in left_out and not isinstance(value, (dict, list))
    ]
    return [table(["figure", "value"], rows)]


def _simulation(line: Line, results: Path) -> list[str]:
    waits = line["waits"]
    shares = [name for name in waits[0] if name != "workers"]
    rows = [[row["workers"], *(row[share]["wait_p95_s"] for share in shares)] for row in waits]
    lines = {f"{float(share):.0%} load": [row[share]["wait_p95_s"] for row in waits] for share in shares}
    checks = line["validation"]
    return [
        f"Steps: {line['steps']}. Seconds that 95 of 100 jobs wait at most, by share of what the workers can do:\n",
        table(["workers", *(f"{float(share):.0%}" for share in shares)], rows),
        _plot(results, "waits", "p95 wait by workers", ("workers", "s"), [row["workers"] for row in waits], lines),
        f"Workers with which 95 of 100 jobs wait at most {line['wait_limit_s']:g} s:\n",
        _rows(line["advice"]),
        *(["The model beside a real stack of fake workers:\n", _rows(checks)] if checks else []),
    ]


SECTIONS: dict[str, Callable[[Line, Path], list[str]]] = {
    "engines": _engines,
    "fidelity": _fidelity,
    "latency": _latency,
    "service": _flat,
    "gateway": _flat,
    "scaling": _scaling,
    "footprint": _footprint,
    "bulk": _flat,
    "simulation": _simulation,
}


def _cost(engines: Line | None, prices: Prices) -> list[str]:
    heading = f"## Cost of 1,000 answers on {prices.provider}\n"
    source = f"Prices of {prices.date} ({prices.source}), kept in `docs/performance/{PRICES_NAME}`.\n"
    if engines is None:
        return [heading, source, "Not measured yet: follows from the engines part.\n"]
    rows = cost_rows(engines, prices)
    note = (
        f"{PROMPT_TOKENS} prompt and {ANSWER_TOKENS} answer tokens each, at every engine's best batch, no idle time; "
        f"speeds of {engines['date']} above, the provider's own cores were not measured. Memory of every engine is "
        "taken as the native engine's.\n"
    )
    return [heading, source, table(["engine", "decode tokens/s", "seconds", "dollars"], rows), note]
