"""A pytest plugin: prints how many tests of each layer passed, above pytest's own closing line."""

from collections import Counter

import pytest

LAYERS = ("unit", "integration", "acceptance", "chaos")
OUTCOMES = ("passed", "failed", "error", "skipped")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line a layer."""
    counts = {outcome: _by_layer(terminalreporter, outcome) for outcome in OUTCOMES}
    for layer in LAYERS:
        parts = [f"{counts[outcome][layer]} {outcome}" for outcome in OUTCOMES if counts[outcome][layer]]
        if parts:
            terminalreporter.write_line(f"{layer:<12} {', '.join(parts)}")


def _by_layer(reporter: pytest.TerminalReporter, outcome: str) -> Counter[str]:
    # Set-up and tear-down reports are counted only where they failed, so that a test counts once.
    reports = [report for report in reporter.stats.get(outcome, []) if isinstance(report, pytest.TestReport)]
    return Counter(report.nodeid.split("/")[1] for report in reports if report.nodeid.count("/") > 1)
