"""Answer tables: the cells of a row and of a document, and texts that a spreadsheet must not run."""

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.query_export import ROW_COLUMNS, ExportFormat, csv_line, guarded, row_cells, row_lines, wide_cells, wide_lines
from common.collections import ItemError
from common.queries import QueryQuestion, Row, RowStatus

QUESTIONS = (QueryQuestion(id="revenue", text="Revenue?"), QueryQuestion(id="cash", text="Cash?"))
BROKEN = ItemError(code="document_damaged", message="b.pdf is cut off.")


def row(document: str, question: str, **changes: Any) -> Row:
    """An answered row with two citations."""
    values: dict[str, Any] = {
        "index": 0, "document_id": f"doc_{document}", "document": document, "question_id": question,
        "question": f"{question}?", "status": RowStatus.SUCCEEDED, "text": "$5 million", "kind": "spans", "value": "5",
        "scale": "million", "verification": "verified", "confidence": 0.97,
        "citations": [{"document": document, "page": 7, "quote": "was $5"}, {"document": document, "page": 8}],
    }  # fmt: skip
    return Row.model_validate(values | changes)


def failed(document: str, question: str) -> Row:
    """A row of a document that cannot be read."""
    return row(
        document, question, status=RowStatus.FAILED, text=None, kind=None, value=None, scale=None, verification=None,
        confidence=None, citations=[], error=BROKEN,
    )  # fmt: skip


async def stream(*rows: Row) -> AsyncIterator[Row]:
    """The rows, one after the other."""
    for one in rows:
        yield one


def test_a_row_shows_its_first_citation() -> None:
    """Given an answered row, when laid out, then every column is there, with the page and words of its first quote."""
    cells = row_cells(row("a.pdf", "revenue", program="5"))
    assert tuple(cells) == ROW_COLUMNS
    assert (cells["answer"], cells["value"], cells["scale"], cells["program"]) == ("$5 million", "5", "million", "5")
    assert (cells["verification"], cells["confidence"]) == ("verified", 0.97)
    assert (cells["citation_document"], cells["page"], cells["quote"]) == ("a.pdf", 7, "was $5")
    assert (cells["error_code"], cells["error"]) == (None, None)


def test_a_failed_row_shows_its_reason() -> None:
    """Given a failed row, when laid out, then it has a reason and no answer."""
    cells = row_cells(failed("b.pdf", "revenue"))
    assert (cells["status"], cells["error_code"], cells["error"]) == ("failed", BROKEN.code, BROKEN.message)
    assert (cells["answer"], cells["page"], cells["quote"]) == (None, None, None)


def test_a_document_is_one_line_with_a_group_of_columns_a_question() -> None:
    """Given a document of which one question is answered, then the other one's columns are empty."""
    cells = wide_cells([row("a.pdf", "revenue")], QUESTIONS)
    assert cells == {
        "document": "a.pdf",
        "revenue": "$5 million", "revenue_value": "5", "revenue_scale": "million", "revenue_verification": "verified",
        "revenue_confidence": 0.97, "revenue_page": 7, "revenue_quote": "was $5",
        "cash": None, "cash_value": None, "cash_scale": None, "cash_verification": None, "cash_confidence": None,
        "cash_page": None, "cash_quote": None,
    }  # fmt: skip


def test_a_failed_document_says_why_in_the_place_of_its_answers() -> None:
    assert wide_cells([failed("b.pdf", "revenue")], QUESTIONS)["revenue"] == BROKEN.message


async def test_wide_lines_hold_each_document_once() -> None:
    """Given rows of two documents, when written wide, then there are two lines and a head, as CSV and as JSON."""
    rows = (row("a.pdf", "revenue"), row("a.pdf", "cash"), failed("b.pdf", "revenue"), failed("b.pdf", "cash"))
    text = "".join([line async for line in wide_lines(stream(*rows), QUESTIONS, ExportFormat.CSV)])
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [line["document"] for line in lines] == ["a.pdf", "b.pdf"]
    assert [line["cash"] for line in lines] == ["$5 million", BROKEN.message]
    found = [json.loads(line) async for line in wide_lines(stream(*rows), QUESTIONS, ExportFormat.JSONL)]
    assert [line["document"] for line in found] == ["a.pdf", "b.pdf"]
    assert found[0]["cash_page"] == 7


async def test_a_table_without_rows_is_its_head() -> None:
    """Given no rows, when written, then CSV has its columns and JSON lines nothing."""
    assert [line async for line in row_lines(stream(), ExportFormat.CSV)] == [csv_line(ROW_COLUMNS)]
    assert [line async for line in row_lines(stream(), ExportFormat.JSONL)] == []
    assert len([line async for line in wide_lines(stream(), QUESTIONS, ExportFormat.CSV)]) == 1


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\tx", "\rx", "=5", "-1,000"])
def test_a_text_that_would_be_a_formula_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("cell", ["-5", "-5.25", "+3", "5", "$5 million", "", None, 7, -7])
def test_numbers_and_plain_texts_stay(cell: Any) -> None:
    assert guarded(cell) == cell


def test_a_line_of_csv_can_be_read_back() -> None:
    """Given cells with quotes, commas and line breaks, when written and read, then they are the same."""
    cells = ['say "five"', "1,000", "two\nlines", ""]
    assert list(csv.reader(io.StringIO(csv_line(cells), newline=""))) == [cells]
