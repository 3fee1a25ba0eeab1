"""Questions over tables of any shape (price ranges, movements, segments side by side): a cell by its row and column."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from common.answers import number_line, span_line
from common.evidence import Document, scale_line
from common.numbers import Scale
from common.tables import Table, compact_cell, is_value
from training.tasks.statement_questions import questions_over
from training.tasks.statement_sheet import UNITLESS, Asked, clean_label, different, has_periods

_MAX_NAME_CHARS = 60
_MIN_ROWS = 3


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows by unique label, each with its figures by unique column, and the scale of those that are amounts."""

    rows: dict[str, dict[str, str]]
    scale: Scale

    def pair(self, rng: random.Random, count: int) -> tuple[list[str], str] | None:
        """Return `count` rows that have a figure in one column, and the column."""
        columns = {column for cells in self.rows.values() for column in cells}
        column = rng.choice(sorted(columns))
        rows = [label for label, cells in self.rows.items() if column in cells]
        return (rng.sample(rows, count), column) if len(rows) >= count else None

    def scale_of(self, row: str, column: str) -> Scale:
        """Return the cell's scale: none for prices, rates and counts."""
        cell = self.rows[row][column]
        if cell.endswith("%"):
            return Scale.PERCENT
        return Scale.NONE if UNITLESS.search(f"{row} {column}") else self.scale

    def term(self, row: str, column: str) -> str:
        """Return the cell as a program's term."""
        cell = self.rows[row][column].rstrip("%")
        return f"({cell})" if cell.startswith("-") else cell


def read_grid(table: Table, document: Document) -> Grid | None:
    """Return the table's cells by names; None where its rows or columns cannot be told apart."""
    columns = [column if len(column) <= _MAX_NAME_CHARS else "" for column in table.columns]
    if len(set(columns)) != len(columns) or not all(columns) or len(columns) < 2:
        return None
    rows: dict[str, dict[str, str]] = {}
    section = ""
    for row in table.rows:
        if row.is_section:
            section = clean_label(row.label)
            continue
        label = clean_label(row.label)
        if not 1 < len(label) <= _MAX_NAME_CHARS or label in rows:
            return None
        cells = {
            column: compact_cell(cell)
            for column, cell in zip(columns, row.cells, strict=True)
            if is_value(cell) and compact_cell(cell) != "0"
        }
        if cells and not section:
            rows[label] = cells
    named = scale_line(document).removeprefix("Amounts in ")
    return Grid(rows, Scale(named) if named else Scale.NONE) if len(rows) >= _MIN_ROWS else None


def cell(grid: Grid, rng: random.Random) -> Asked | None:
    """Ask for one cell."""
    found = grid.pair(rng, 1)
    if found is None:
        return None
    (row,), column = found
    text = rng.choice(("What is the {c} for {r}?", "What was the {c} of {r}?", "What is {r} under {c}?"))
    item = grid.rows[row][column]
    scale = Scale.NONE if item.endswith("%") else grid.scale_of(row, column)
    return Asked(text.format(c=column, r=row), span_line((item,), scale))


def respective_cells(grid: Grid, rng: random.Random) -> Asked | None:
    """Ask for a column's figures in two or three rows."""
    found = grid.pair(rng, rng.choice((2, 2, 3)))
    if found is None:
        return None
    rows, column = found
    scales = {grid.scale_of(row, column) for row in rows}
    if len(scales) != 1 or scales == {Scale.PERCENT}:
        return None
    names = " and ".join((", ".join(rows[:-1]), rows[-1]))
    text = rng.choice(("What are the respective {c} for {r}?", "What was the {c} for {r}, respectively?"))
    items = tuple(grid.rows[row][column] for row in rows)
    return Asked(text.format(c=column, r=names), span_line(items, scales.pop()))


def rows_apart(grid: Grid, rng: random.Random) -> Asked | None:
    """Ask for the difference of two rows in a column."""
    found = grid.pair(rng, 2)
    if found is None:
        return None
    (one, other), column = found
    scale = grid.scale_of(one, column)
    if scale != grid.scale_of(other, column):
        return None
    text = rng.choice(
        ("What is the difference in {c} between {a} and {b}?", "How much does the {c} of {a} exceed that of {b}?")
    )
    program = f"{grid.term(one, column)}-{grid.term(other, column)}"
    return Asked(text.format(c=column, a=one, b=other), number_line(program, scale))


def columns_apart(grid: Grid, rng: random.Random) -> Asked | None:
    """Ask for the difference of two columns in a row."""
    row = rng.choice(sorted(grid.rows))
    if len(grid.rows[row]) < 2:
        return None
    one, other = rng.sample(sorted(grid.rows[row]), 2)
    scale = grid.scale_of(row, one)
    if scale != grid.scale_of(row, other):
        return None
    text = rng.choice(
        ("What is the difference between {a} and {b} for {r}?", "For {r}, how far apart are {a} and {b}?")
    )
    return Asked(
        text.format(a=one, b=other, r=row), number_line(f"{grid.term(row, one)}-{grid.term(row, other)}", scale)
    )


def average(grid: Grid, rng: random.Random) -> Asked | None:
    """Ask for the mean of a column over some rows."""
    found = grid.pair(rng, rng.choice((2, 3)))
    if found is None:
        return None
    rows, column = found
    scales = {grid.scale_of(row, column) for row in rows}
    if len(scales) != 1:
        return None
    names = " and ".join((", ".join(rows[:-1]), rows[-1]))
    program = f"avg({','.join(grid.term(row, column) for row in rows)})"
    return Asked(f"What is the average {column} for {names}?", number_line(program, scales.pop()))


KINDS: tuple[Callable[[Grid, random.Random], Asked | None], ...] = (
    *(cell, cell, respective_cells, rows_apart, columns_apart, average),
)


def questions_over_any(table: Table, document: Document, count: int, rng: random.Random) -> Iterator[Asked]:
    """Yield questions over periods where the table has several, else over whatever its columns are."""
    if has_periods(table):
        return questions_over(table, document, count, rng)
    return questions_over_cells(table, document, count, rng)


def questions_over_cells(table: Table, document: Document, count: int, rng: random.Random) -> Iterator[Asked]:
    """Yield up to `count` different questions over one table; none where its cells have no unique names."""
    grid = read_grid(table, document)
    if grid is None:
        return
    yield from different(lambda: rng.choice(KINDS)(grid, rng), count)
