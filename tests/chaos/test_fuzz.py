"""Readers of strangers' files under damaged files; `python -m tests.chaos.fuzz --files N` is the long form."""

import pytest

from tests.chaos.fuzz import KINDS, Sandbox, fuzz
from tests.chaos.fuzz_child import outcome

FILES = 60


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    """Given damaged files of a kind, when they are read, then each has an outcome and nothing unpromised is raised."""
    findings = fuzz(kind, FILES, seed=7)
    assert findings.files == FILES
    assert not findings.crashes, findings.crashes[0][0]
    assert findings.outcomes["read"] > 0


def test_a_hung_reader_is_ended_and_the_next_file_is_read() -> None:
    """Given hardly any time, when a long file is read, then it is said to hang, and a short one is read after it."""
    short = b"<html><body><p>Revenue was $5 million.</p></body></html>"
    long = b"<html><body>" + b"<p>Revenue was $5 million.</p>" * 200_000
    with Sandbox(file_seconds=0.1) as sandbox:
        assert sandbox.outcome("html", long) == "hung"
        assert sandbox.outcome("html", short) == "read"


def test_a_crash_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a reader with a defect, when a file meets it, then the outcome is a crash that names what was raised."""

    def defect(*_arguments: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("tests.chaos.fuzz_child.parse_document", defect)
    assert outcome("pdf", b"%PDF-1.4") == "crash KeyError: 'a defect'"
