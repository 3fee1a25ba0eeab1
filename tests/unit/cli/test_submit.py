"""What `submit` takes for a file, and where its lines end."""

import json
from pathlib import Path

import pytest
import typer

from api.cli_questions import _parse, _read_lines


@pytest.mark.parametrize("question", ["x" * 256, "\u0434" * 130, "What was revenue? " * 500, "a/b\0"])
def test_a_question_of_any_length_is_no_file(question: str) -> None:
    """Given a question longer than any file name, when looked for as a file, then it is a question."""
    assert _read_lines(question) is None


def test_a_missing_file_is_named() -> None:
    with pytest.raises(typer.BadParameter, match=r"no file missing\.jsonl"):
        _read_lines("missing.jsonl")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_end_at_line_feeds_alone(tmp_path: Path, end: str) -> None:
    # Given JSON strings with the other characters that end lines in Unicode, raw
    requests = [{"question": "a", "context": f"x{mark}y"} for mark in ("\u2028", "\u2029", "\u0085")]
    path = tmp_path / "q.jsonl"
    path.write_bytes("".join(json.dumps(one, ensure_ascii=False) + end for one in requests).encode())
    # When read, then each request is whole and has the number of its line
    assert list(_parse(_read_lines(str(path)) or [])) == list(enumerate(requests, start=1))
