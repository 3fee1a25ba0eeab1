"""Answer tables as CSV and JSON lines: one row an answer, or one row a document with a column group a question."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Any

from common.queries import QueryQuestion, Row, RowStatus

# A spreadsheet takes a text that begins so for a formula; reports are texts of strangers.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
ROW_COLUMNS = (
    "index", "document", "question_id", "question", "status", "answer", "value", "scale", "kind", "verification",
    "confidence", "program", "citation_document", "page", "quote", "error_code", "error",
)  # fmt: skip
_WIDE_PARTS = ("", "value", "scale", "verification", "confidence", "page", "quote")


class ExportFormat(StrEnum):
    """The format of a table."""

    CSV = "csv"
    JSONL = "jsonl"


class Layout(StrEnum):
    """One line an answer, or one line a document."""

    ROWS = "rows"
    WIDE = "wide"


async def row_lines(rows: AsyncIterator[Row], form: ExportFormat) -> AsyncIterator[str]:
    """Yield the table with one line an answer."""
    if form is ExportFormat.CSV:
        yield csv_line(ROW_COLUMNS)
    async for row in rows:
        yield csv_line(list(row_cells(row).values())) if form is ExportFormat.CSV else row.model_dump_json() + "\n"


async def wide_lines(
    rows: AsyncIterator[Row], questions: Sequence[QueryQuestion], form: ExportFormat
) -> AsyncIterator[str]:
    """Yield the table with one line a document; rows of a document follow each other."""
    if form is ExportFormat.CSV:
        yield csv_line(list(wide_cells([], questions)))
    group: list[Row] = []
    async for row in rows:
        if group and group[0].document_id != row.document_id:
            yield _wide_line(group, questions, form)
            group = []
        group.append(row)
    if group:
        yield _wide_line(group, questions, form)


def row_cells(row: Row) -> dict[str, Any]:
    """Return an answer's cells by column."""
    cited = row.citations[0] if row.citations else {}
    values = (
        row.index, row.document, row.question_id, row.question, row.status.value, row.text, row.value, row.scale,
        row.kind, row.verification, row.confidence, row.program, cited.get("document"),
        cited.get("page"), cited.get("quote"), row.error.code if row.error else None,
        row.error.message if row.error else None,
    )  # fmt: skip
    return dict(zip(ROW_COLUMNS, values, strict=True))


def wide_columns(questions: Sequence[QueryQuestion]) -> dict[str, str]:
    """Return the columns of a table with one line a document, each with the part of an answer that it shows."""
    columns = {"document": "document"}
    for question in questions:
        columns |= {_wide_name(question, part): part for part in _WIDE_PARTS}
    return columns


def wide_cells(group: Sequence[Row], questions: Sequence[QueryQuestion]) -> dict[str, Any]:
    """Return a document's cells by column: answer, value, scale, verification, confidence, page and quote."""
    cells: dict[str, Any] = {"document": group[0].document if group else None}
    found = {row.question_id: row for row in group}
    for question in questions:
        row = found.get(question.id)
        cited = row.citations[0] if row and row.citations else {}
        answer = None
        if row is not None:
            answer = row.text if row.status is RowStatus.SUCCEEDED else row.error.message if row.error else None
        values = (
            answer,
            row.value if row else None,
            row.scale if row else None,
            row.verification if row else None,
            row.confidence if row else None,
            cited.get("page"),
            cited.get("quote"),
        )
        for part, value in zip(_WIDE_PARTS, values, strict=True):
            cells[_wide_name(question, part)] = value
    return cells


def csv_line(cells: Sequence[Any]) -> str:
    """Return one line of CSV (RFC 4180); texts that a spreadsheet would run get an apostrophe before them."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([guarded(cell) for cell in cells])
    return line.getvalue()


def guarded(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula; plain numbers stay numbers."""
    if not isinstance(cell, str) or not cell.startswith(_FORMULA_STARTS) or _is_number(cell):
        return cell
    return f"'{cell}"


def _wide_name(question: QueryQuestion, part: str) -> str:
    return f"{question.id}_{part}" if part else question.id


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wide_line(group: Sequence[Row], questions: Sequence[QueryQuestion], form: ExportFormat) -> str:
    cells = wide_cells(group, questions)
    return csv_line(list(cells.values())) if form is ExportFormat.CSV else json.dumps(cells, ensure_ascii=False) + "\n"
