"""`financellm bulk` as a person runs it: folder in, table out, broken off and run again."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openpyxl
import pyarrow.parquet
import pytest

from tests.integration.collections.conftest import report
from tests.support.stack import Stack


def _environment(stack: Stack) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
    return {**kept, "FINANCELLM_API_URL": stack.url, "NO_COLOR": "1", "COLUMNS": "120"}


def _command(folder: Path, output: Path, *more: str) -> list[str]:
    questions = folder.parent / "questions.txt"
    return [
        sys.executable, "-m", "api.cli", "bulk", str(folder), "--questions", str(questions), "-o", str(output), *more,
    ]  # fmt: skip


def _run(stack: Stack, folder: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = _command(folder, output, *more)
    return subprocess.run(command, env=_environment(stack), capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two reports, one of them below, and a broken one; questions lie beside it."""
    reports = tmp_path / "reports"
    (reports / "2021").mkdir(parents=True)
    # The name of the test makes these files its own.
    (reports / "acme.pdf").write_bytes(report(f"ACME {tmp_path.name}", 120))
    (reports / "2021" / "acme.pdf").write_bytes(report(f"ACME {tmp_path.name}", 100))
    (reports / "broken.pdf").write_bytes(b"%PDF-1.4 " + tmp_path.name.encode())
    (tmp_path / "questions.txt").write_text("What was revenue in 2022?\n\nWhat were dividends?\n", "utf-8")
    return reports


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".xlsx"])
def test_a_folder_becomes_a_table_in_every_format(stack: Stack, folder: Path, tmp_path: Path, suffix: str) -> None:
    """Given a folder with a broken file, when run, then every row is in the table and the broken file explained."""
    output = tmp_path / f"out{suffix}"
    done = _run(stack, folder, output)
    assert done.returncode == 0, done.stderr
    assert "broken.pdf: " in done.stderr
    lines = _lines(output)
    assert len(lines) == 6
    assert sum(line["status"] == "failed" for line in lines) == 2
    assert {line["document"] for line in lines} == {"acme.pdf", "2021/acme.pdf", "broken.pdf"}


def test_the_same_command_again_computes_nothing_twice(stack: Stack, folder: Path, tmp_path: Path) -> None:
    """Given a run killed midway, when run again, then it goes on with the same query, and `--strict` tells failures."""
    (tmp_path / "questions.txt").write_text("".join(f"Revenue <<long>> {n}?\n" for n in range(40)), "utf-8")
    command = _command(folder, tmp_path / "out.csv")
    first = subprocess.Popen(command, env=_environment(stack), stderr=subprocess.DEVNULL)
    before = _queries(stack)
    deadline_s = time.monotonic() + 60
    while _queries(stack) <= before and time.monotonic() < deadline_s:
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    started = _queries(stack)
    assert _run(stack, folder, tmp_path / "out.csv").returncode == 0
    assert _run(stack, folder, tmp_path / "out.csv", "--strict").returncode == 1
    assert _queries(stack) == started
    assert len(_lines(tmp_path / "out.csv")) == 120


def test_nothing_answered_is_a_failure_and_a_bad_format_is_refused_first(
    stack: Stack, folder: Path, tmp_path: Path
) -> None:
    """Given only broken files, or an unknown suffix, when run, then the exit code and the words say so."""
    refused = _run(stack, folder, tmp_path / "out.doc")
    assert refused.returncode == 1
    assert ".parquet" in refused.stderr
    for path in (folder / "acme.pdf", folder / "2021" / "acme.pdf"):
        path.unlink()
    assert _run(stack, folder, tmp_path / "out.csv").returncode == 1
    assert len(_lines(tmp_path / "out.csv")) == 2


def test_signals_become_one_line_a_document(stack: Stack, folder: Path, tmp_path: Path) -> None:
    """Given the template, when run wide, then each document is one line with typed columns."""
    done = _run(stack, folder, tmp_path / "out.csv", "--template", "signals", "--wide")
    assert done.returncode == 0, done.stderr
    lines = _lines(tmp_path / "out.csv")
    assert len(lines) == 3
    assert {"document", "q1", "revenue_growth", "revenue_growth_value", "guidance_quote", "sentiment"} <= set(lines[0])


def _queries(stack: Stack) -> int:
    with httpx.Client(base_url=stack.url) as client:
        collections = client.get("/v1/collections", params={"limit": 1000}).json()["data"]
        return sum(len(client.get(f"/v1/collections/{one['id']}/queries").json()["data"]) for one in collections)


def _lines(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        found: list[dict[str, object]] = pyarrow.parquet.read_table(path).to_pylist()
        return found
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]
