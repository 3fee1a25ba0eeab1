"""`python -m tests.bench.tables --data DATA`: how many rows of real filings keep their columns' names in prompts.

Reads every report below DATA/reports as uploads are read, and counts the table rows that hold figures: those of tables
with two columns and more none of which has a name, and those with two figures in one cell.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.contexts import parse_context
from common.pages import Document
from common.tables import Row, Table, is_value
from tests.bench.report import print_line, print_table
from worker.retrieval.parse import parse_document


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows that hold figures, and of these those whose figures cannot be told apart."""

    rows: int
    unnamed: int
    crowded: int


def table_rows(document: Document) -> TableRows:
    """Count a report's rows."""
    found = [(table, row) for page in document.pages for table, row in _rows(page.text)]
    return TableRows(
        len(found),
        sum(len(table.columns) > 1 and not any(table.columns) for table, _ in found),
        sum(any(_is_crowded(cell) for cell in row.cells) for _, row in found),
    )


def _rows(text: str) -> Iterator[tuple[Table, Row]]:
    for table in parse_context(text).tables:
        for row in table.rows:
            if any(is_value(part) for cell in row.cells for part in cell.split()):
                yield table, row


def _is_crowded(cell: str) -> bool:
    parts = cell.split()
    return len(parts) > 1 and all(len(part) > 1 and is_value(part) for part in parts)


def main() -> None:
    """Count, print a table and the machine line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tables", description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"))
    options = parser.parse_args()
    if options.data is None:
        parser.error("set --data or FINANCELLM_SHARED_DATA to the folder of real finance data")
    reports = options.data / "reports"
    paths = [*sorted((reports / "pdf").glob("*.pdf")), *sorted((reports / "html").glob("*.html"))]
    counts = {path.name: table_rows(parse_document(path.name, path.read_bytes())) for path in paths}
    total = TableRows(*(sum(getattr(one, name) for one in counts.values()) for name in ("rows", "unnamed", "crowded")))
    print_table(
        "Table rows with figures",
        ("report", "rows", "without names of columns", "two figures in a cell"),
        [(name, one.rows, one.unnamed, one.crowded) for name, one in (counts | {"all": total}).items()],
    )
    print_line("tables", rows=total.rows, unnamed=total.unnamed, crowded=total.crowded)


if __name__ == "__main__":
    main()
