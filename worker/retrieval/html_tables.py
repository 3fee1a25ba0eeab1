"""Rows of an HTML table as filings print them: spacer columns, currency signs and brackets in cells of their own."""

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from common.tables import CELL_SEPARATOR
from worker.retrieval.columns import Cell, Columns, join_signs

_SPACE = re.compile(r"\s+")
_MAX_SPAN = 200
_MAX_SPAN_DIGITS = 9


def table_lines(table: LexborNode) -> list[str]:
    """Return the table's rows as lines; a table that only lays out text gives that text."""
    rows = [join_signs(row) for row in _grid(table)]
    rows = [row for row in rows if row]
    columns = Columns.of(rows)
    if columns.count == 0:
        return [_text_row(row) for row in rows]
    return [columns.row_text(row) for row in rows]


def is_layout(table: LexborNode) -> bool:
    """Return whether a table holds other tables, so that it is a frame and no table of figures."""
    return table.css_first("table table") is not None


def _text_row(row: list[Cell]) -> str:
    separator = CELL_SEPARATOR if len(row) > 2 or len(row[0].text) > 3 else " "
    return separator.join(cell.text for cell in row)


def _grid(table: LexborNode) -> Iterator[list[Cell]]:
    """Yield the rows' cells that hold text, each with the grid columns it takes (HTML's table model)."""
    taken: dict[int, int] = {}  # column: rows it is still taken for by a cell above
    for row in table.css("tr"):
        cells: list[Cell] = []
        below: dict[int, int] = {column: rows - 1 for column, rows in taken.items() if rows > 1}
        column = 0
        for node in row.iter():
            if node.tag not in ("td", "th"):
                continue
            while column in taken:
                column += 1
            width, height = _span(node, "colspan"), _span(node, "rowspan")
            text = _SPACE.sub(" ", node.text(separator=" ")).strip()
            if text:
                cells.append(Cell(_tight(text), column, column + width))
            if height > 1:
                below.update(dict.fromkeys(range(column, column + width), height - 1))
            column += width
        taken = below
        yield cells


def _span(node: LexborNode, name: str) -> int:
    value = (node.attributes.get(name) or "1").strip()
    # A superscript is a digit to Python but no number, and numbers of thousands of digits are refused.
    return min(max(int(value[:_MAX_SPAN_DIGITS]), 1), _MAX_SPAN) if value.isdecimal() else 1


def _tight(text: str) -> str:
    """Take out the spaces that nested elements leave inside figures: `( 1,234 )` and `$ 5`."""
    return text.replace("( ", "(").replace(" )", ")").replace("$ ", "$").replace(" %", "%").replace(" ,", ",")
