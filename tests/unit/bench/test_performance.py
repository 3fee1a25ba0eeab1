"""The page and plots that `make bench` makes of recorded lines, and which parts it measures again."""

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from tests.bench import __main__ as bench
from tests.bench.cost import ANSWER_TOKENS, PROMPT_TOKENS, Prices, cost_rows
from tests.bench.parts import PARTS, RESULTS, chosen
from tests.bench.performance import SECTIONS, render
from tests.bench.plot import COLOURS, draw_lines
from tests.bench.report import machine
from tests.unit.bench.performance_lines import LINES, write_lines


def coloured(path: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Tell of each pixel of a picture whether it has the first line's colour."""
    found: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    found = np.isclose(imread(path)[:, :, :3], to_rgb(COLOURS[0]), atol=0.02).all(2)
    return found


def test_every_part_has_a_section_and_a_fixture() -> None:
    """Given the parts, when compared, then the renderer and these tests know each one."""
    names = [part.name for part in PARTS]
    assert list(SECTIONS) == names
    assert list(LINES) == names


def test_each_section_says_command_machine_and_day(tmp_path: Path) -> None:
    """Given a line of every part, when rendered, then each section names its command, and figures stand in tables."""
    write_lines(tmp_path / "performance")
    page = render(tmp_path / "performance").read_text("utf-8")
    for part in PARTS:
        assert f"`python -m tests.bench.{part.name} --made-up` · a made-up machine · 2031-02-03 · 61 s" in page
    assert "\n\nNot measured yet" not in page.replace(page.partition("## ")[0], "")
    for row in (
        "| native | 50 | 200 | 500 |",
        "| other | 40 | 100 | 250 |",
        "- gone: not made yet",
        "| int8 | 500 | 0.0123 | 0.97 | - |",
        "| 2150 | 64 | 3 | 210 | 1,234 |".replace("2150", "2,150"),
        "| gateway jobs per second | 777 |",
        "| 8 | 38 | 0.95 |",
        "| gateway | 0.181 | 0.192 |",
        "| questions per minute | 31.4 |",
        "| 1000 | 0 |",
        "| 1 | 2.25 | 2.5 |",
    ):
        assert row in page, row


def test_plots_that_the_page_shows_are_there(tmp_path: Path) -> None:
    """Given a rendered page, when its pictures are opened, then each is one of ours with a line in it."""
    write_lines(tmp_path / "performance")
    page = render(tmp_path / "performance")
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text("utf-8"))
    assert len(pictures) == len(set(pictures)) >= 8
    for picture in pictures:
        assert coloured(page.parent / picture).sum() > 100, picture


def test_what_was_not_measured_is_marked_with_its_command(tmp_path: Path) -> None:
    """Given one line of all, when rendered, then every other section holds its command and no figure."""
    write_lines(tmp_path / "performance", "gateway")
    page = render(tmp_path / "performance").read_text("utf-8")
    for part in PARTS:
        assert (f"Not measured yet: `{part.shown()}`" in page) == (part.name != "gateway")
    assert "Not measured yet: follows from the engines part" in page


def test_costs_follow_from_speed_and_prices(tmp_path: Path) -> None:
    """Given 500 prompt and 200 answer tokens a second on two cores, when priced, then seconds and dollars are these."""
    write_lines(tmp_path)
    prices = Prices.read(tmp_path / "prices.json")
    rows = cost_rows(LINES["engines"], prices)
    seconds = 1000 * (PROMPT_TOKENS / 500 + ANSWER_TOKENS / 200)
    dollars = seconds / 2_592_000 * (2 * 20 + 0.5 * 10)
    assert rows[0][:2] == ("native", 200.0)
    assert rows[0][2:] == pytest.approx((seconds, dollars))
    assert [row[0] for row in rows] == ["native", "other"]


def test_the_prices_of_the_repository_are_dated() -> None:
    """Given the price file, when read, then it says whose prices, of which day and from where."""
    prices = Prices.read(RESULTS / "prices.json")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", prices.date)
    assert prices.source
    assert prices.cpu_dollars_per_core_month > 0


def test_lines_are_drawn_from_zero_and_gaps_stay_gaps(tmp_path: Path) -> None:
    """Given a line that rises and a missing value, when drawn, then the top is higher and the gap has no colour."""
    draw_lines(tmp_path / "a.png", "T", ("x", "y"), (1, 2, 3), {"up": [1.0, 10.0, None]})
    line = coloured(tmp_path / "a.png")[:, :780]  # without the legend
    columns = np.flatnonzero(line.any(0))
    first, last = columns[3], columns[-4]
    assert np.flatnonzero(line[:, first]).min() > np.flatnonzero(line[:, last]).min() + 200
    assert last < line.shape[1] * 0.7  # the third tick has nothing


def test_parts_are_chosen_by_name_and_take_forty_minutes_at_most() -> None:
    """Given names, when chosen, then these alone run, in their order; an unknown one is refused by name."""
    assert [part.name for part in chosen("scaling,engines")] == ["engines", "scaling"]
    with pytest.raises(ValueError, match="engine2"):
        chosen("engine2")
    assert sum(part.minutes for part in chosen(None)) <= 40


def test_engines_run_without_peers_unless_asked() -> None:
    """Given the engines part, when its command is made, then peers are left out or in as asked."""
    engines = chosen("engines")[0]
    assert engines.words(None, peers=False)[-1] == "--engines"
    assert engines.words(None, peers=True)[-3:] == ["llama", "openvino", "vllm"]


def run(monkeypatch: pytest.MonkeyPatch, results: Path, script: str, *arguments: str) -> tuple[int, str]:
    """Run the command with every part replaced by a script; return its code and the state of the gateway part."""
    monkeypatch.setattr(bench, "interpreter_command", lambda words: [sys.executable, "-c", script])
    monkeypatch.setattr(sys, "argv", ["bench", "--only", "gateway", "--results", str(results), *arguments])
    states: dict[str, str] = {}
    monkeypatch.setattr(bench, "print_line", lambda name, parts, page: states.update(parts))
    code = bench.main()
    return code, states["gateway"]


def test_a_part_is_recorded_once_a_day_and_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a part measured here today, when run again, then it is left out unless asked for, or on another machine."""
    results = tmp_path / "performance"
    write_lines(results)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    line = {"bench": "gateway", "gateway_jobs_per_second": 5.0, "machine": machine(), "date": today}
    script = f"print('a table'); print({json.dumps(json.dumps(line))})"
    code, state = run(monkeypatch, results, script)
    assert (code, state.startswith("measured in")) == (0, True)
    recorded = json.loads((results / "gateway.json").read_text("utf-8"))
    assert recorded["command"] == chosen("gateway")[0].shown()
    assert run(monkeypatch, results, script) == (0, "recorded today already")
    assert run(monkeypatch, results, script, "--again")[1].startswith("measured in")
    (results / "gateway.json").write_text(json.dumps(line | {"machine": "another", "command": "c", "seconds": 1.0}))
    assert run(monkeypatch, results, script)[1].startswith("measured in")


def test_a_part_that_fails_leaves_the_recorded_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a part that ends with an error, when run, then its last words are told and the old figures stay."""
    results = tmp_path / "performance"
    write_lines(results)
    before = (results / "gateway.json").read_bytes()
    code, state = run(monkeypatch, results, "raise SystemExit('no luck')", "--again")
    assert (code, state) == (1, "failed: no luck")
    assert (results / "gateway.json").read_bytes() == before
    assert "| gateway jobs per second | 777 |" in (tmp_path / "performance.md").read_text("utf-8")
