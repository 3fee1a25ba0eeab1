"""Question files in each of their forms, and what is said of lines that cannot be read."""

from pathlib import Path

import pytest

from api.questions_file import Question, read_questions
from common.errors import RequestError


def read(folder: Path, name: str, text: str) -> list[Question]:
    """The questions of a file with this content."""
    path = folder / name
    path.write_text(text, "utf-8")
    return read_questions(path)


def test_a_text_holds_a_question_a_line(tmp_path: Path) -> None:
    """Given a text with blank lines and a byte order mark, when read, then its other lines are the questions."""
    assert read(tmp_path, "q.txt", "\ufeffWhat was revenue?\n\n  How much cash?  \n") == [
        "What was revenue?",
        "How much cash?",
    ]


@pytest.mark.parametrize("name", ["q.jsonl", "q.ndjson"])
def test_json_lines_hold_ids_or_plain_texts(tmp_path: Path, name: str) -> None:
    """Given objects and strings, when read, then objects keep their ids as texts."""
    text = '{"id": "rev", "text": "Revenue?"}\n\n"Cash?"\n{"id": 7, "text": "Debt?"}\n'
    assert read(tmp_path, name, text) == [
        {"id": "rev", "text": "Revenue?"},
        "Cash?",
        {"id": "7", "text": "Debt?"},
    ]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085"])
def test_json_lines_end_at_line_feeds_alone(tmp_path: Path, mark: str) -> None:
    """Given a question with another character that ends lines in Unicode, when read, then it is one question."""
    text = f'{{"id": "rev", "text": "Revenue{mark}in 2022?"}}\r\n"Cash?"\n'
    assert read(tmp_path, "q.jsonl", text) == [{"id": "rev", "text": f"Revenue{mark}in 2022?"}, "Cash?"]


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"text": "no id"}', '{"id": "x", "text": 5}', '{"id": "x"}'])
def test_a_json_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    """Given a bad third line, when read, then the refusal names the file and the line."""
    with pytest.raises(RequestError, match=r"q\.jsonl, line 3"):
        read(tmp_path, "q.jsonl", f'"Revenue?"\n\n{line}\n')


def test_a_csv_needs_a_column_of_questions_and_may_have_ids(tmp_path: Path) -> None:
    """Given a table with other columns, when read, then questions keep their ids, and empty ones are left out."""
    text = 'note,ID,Question\n,rev,"Revenue, net?"\n,,Cash?\n,gone,\n'
    assert read(tmp_path, "q.csv", text) == [{"id": "rev", "text": "Revenue, net?"}, "Cash?"]
    assert read(tmp_path, "q.csv", "text\nDebt?\n") == ["Debt?"]


def test_a_csv_may_have_short_lines_and_long_questions(tmp_path: Path) -> None:
    """Given a line without its id and a quoted question of two lines, when read, then both are questions."""
    assert read(tmp_path, "q.csv", 'question,id\nDebt?\n"Revenue\nin 2022?",rev\n') == [
        "Debt?",
        {"id": "rev", "text": "Revenue\nin 2022?"},
    ]


def test_a_csv_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no column `question` or `text`"):
        read(tmp_path, "q.csv", "name\nRevenue?\n")


@pytest.mark.parametrize("name", ["q.txt", "q.jsonl"])
def test_a_file_without_a_question_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError, match="holds no question"):
        read(tmp_path, name, "\n  \n")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Given bytes that are not UTF-8, or no file at all, when read, then it is refused by its name."""
    path = tmp_path / "q.txt"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="cannot be read"):
        read_questions(path)
    with pytest.raises(RequestError, match="cannot be read"):
        read_questions(tmp_path / "missing.txt")
