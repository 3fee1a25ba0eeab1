"""Builds each engine once on one tiny model, and prints which test held for which engine."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.integration.engines.subjects import SUBJECTS, Subject, make_form, write_model
from worker.engine.base import Engine

SUITE = "tests/integration/engines/test_conformance.py"
# Names the engine that a job installed, so that it cannot pass by being skipped.
REQUIRED = "FINANCELLM_REQUIRED_ENGINE"
MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "-", "error": "ERROR"}


@pytest.fixture(scope="session", params=SUBJECTS, ids=lambda subject: subject.name)
def subject(request: pytest.FixtureRequest) -> Subject:
    """One engine; skips with the reason where it cannot be had here."""
    found: Subject = request.param
    why = found.why_not()
    if why is not None:
        _leave_out(found, why)
    return found


@pytest.fixture(scope="session")
def model(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model in the engine's form; skips with the reason where it cannot be made."""
    folder = tmp_path_factory.mktemp(f"{subject.name}-model")
    write_model(folder)
    why = make_form(subject, folder)
    if why is not None:
        _leave_out(subject, why)
    return folder


def _leave_out(subject: Subject, why: str) -> NoReturn:
    """Skip an engine that is no part of the lock with what is missing; fail where a job installed it to be tested."""
    if subject.name == os.environ.get(REQUIRED):
        pytest.fail(f"{subject.name} was to be tested: {why}")
    pytest.skip(f"{subject.name}: {why}")


@pytest.fixture
def engine(subject: Subject, model: Path) -> Iterator[Engine]:
    """A fresh engine."""
    built = subject.build(model)
    yield built
    built.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of engines and tests, and why an engine was left out."""
    cells: dict[str, dict[str, str]] = {}
    reasons: dict[str, str] = {}
    for outcome, mark in MARKS.items():
        for report in terminalreporter.stats.get(outcome, ()):
            if not report.nodeid.startswith(SUITE) or "[" not in report.nodeid:
                continue
            test, _, name = report.nodeid.rpartition("::")[2].rstrip("]").partition("[")
            cells.setdefault(test.removeprefix("test_"), {})[name] = mark
            if outcome == "skipped" and isinstance(report.longrepr, tuple):
                reasons.setdefault(name, report.longrepr[2])
    if not cells:
        return
    names = [subject.name for subject in SUBJECTS if any(subject.name in row for row in cells.values())]
    width = max(map(len, cells))
    terminalreporter.section("engines by test")
    terminalreporter.line(" " * width + "".join(f"{name:>14}" for name in names))
    for test, row in cells.items():
        terminalreporter.line(f"{test:<{width}}" + "".join(f"{row.get(name, ''):>14}" for name in names))
    for reason in reasons.values():
        terminalreporter.line(reason)
