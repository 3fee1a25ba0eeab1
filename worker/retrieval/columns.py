"""The columns of a printed table, from where its figures stand: points in a PDF, grid columns in HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from common.numbers import CURRENCY_SIGNS, DASHES, parse_figure
from common.tables import CELL_SEPARATOR

_EDGE = 3.0
_BULLETS = frozenset("•▪●◦·■□○")
_CLOSERS = frozenset(")% ")
_OPENERS = frozenset((*CURRENCY_SIGNS, "(", "$(", "US$"))
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(slots=True)
class Cell:
    """A stretch of text with its horizontal extent."""

    text: str
    left: float
    right: float

    @property
    def is_value(self) -> bool:
        """Return whether the cell is a figure or a dash that stands for none."""
        bare = self.text.strip(CURRENCY_SIGNS + " ")
        return (bool(bare) and all(sign in DASHES for sign in bare)) or parse_figure(self.text) is not None


def is_year(text: str) -> bool:
    """Return whether a cell is a year, which heads a column and need not be aligned with its figures."""
    return _YEAR.fullmatch(text) is not None


class Columns:
    """Value columns as horizontal extents, left to right."""

    @property
    def count(self) -> int:
        """Return how many value columns there are."""
        return len(self._extents)

    def __init__(self, extents: Sequence[tuple[float, float]]) -> None:
        self._extents = extents

    @classmethod
    def of(cls, rows: Sequence[Sequence[Cell]]) -> Self:
        """Find the columns of rows that stand together: figures that overlap horizontally share one."""
        figures = [cell for row in rows for cell in row[1:] if cell.is_value]
        counted = [cell for cell in figures if not is_year(cell.text)] or figures
        spans = sorted((cell.left, cell.right) for cell in counted)
        extents: list[tuple[float, float]] = []
        for left, right in spans:
            if extents and left < extents[-1][1]:
                extents[-1] = (extents[-1][0], max(extents[-1][1], right))
            else:
                extents.append((left, right))
        return cls(extents)

    def row_text(self, row: Sequence[Cell]) -> str:
        """Return a row with every cell under its column; a line without a value is returned as it is."""
        if not self._extents:
            return CELL_SEPARATOR.join(cell.text for cell in row)
        if len(row) == 1 and not self._is_lone_value(row[0]):
            return row[0].text
        cells = [""] * (len(self._extents) + 1)
        for cell in row:
            place = self._place(cell)
            cells[place] = f"{cells[place]} {cell.text}".strip()
        return CELL_SEPARATOR.join(cells) if any(cells[1:]) else cells[0]

    def _is_lone_value(self, cell: Cell) -> bool:
        """Return whether a figure alone on its line closes a column, as totals do and page numbers do not."""
        return cell.is_value and any(abs(cell.right - right) < _EDGE for _, right in self._extents)

    def _place(self, cell: Cell) -> int:
        """Return the column a cell stands in; 0 is the label column."""
        overlaps = [min(cell.right, right) - max(cell.left, left) for left, right in self._extents]
        best = max(range(len(overlaps)), key=overlaps.__getitem__)
        first_left, first_right = self._extents[0]
        if overlaps[best] > 0:
            starts_as_label = not cell.is_value and cell.left < first_left - 2 * (first_right - first_left)
            return 0 if starts_as_label else best + 1
        if cell.right <= first_left and not (cell.is_value and cell.left > 0.8 * first_left):
            return 0
        middle = cell.left + cell.right
        return 1 + min(range(len(overlaps)), key=lambda number: abs(middle - sum(self._extents[number])))


def join_signs(cells: Sequence[Cell]) -> list[Cell]:
    """Put a currency sign to the figure after it, a closing bracket or percent sign to the figure before it."""
    joined: list[Cell] = []
    for cell in (part for whole in cells for part in _without_late_sign(whole)):
        before = joined[-1] if joined else None
        if before is None:
            joined.append(cell)
        elif before.text in _BULLETS:
            joined[-1] = Cell(f"{before.text} {cell.text}", before.left, cell.right)
        elif set(cell.text) <= _CLOSERS:
            before.text += cell.text.replace(" ", "")
            before.right = cell.right
        elif before.text in _OPENERS:
            # The figure alone says where the column is: signs stand far to its left in statements.
            joined[-1] = Cell(before.text + cell.text, cell.left, cell.right)
        else:
            joined.append(cell)
    return joined


def _without_late_sign(cell: Cell) -> list[Cell]:
    """Part off a currency sign at the end: it stands before the next column's figure."""
    text, _, sign = cell.text.rpartition(" ")
    if not text or sign not in CURRENCY_SIGNS:
        return [cell]
    edge = cell.right - (cell.right - cell.left) / len(cell.text)
    return [Cell(text, cell.left, edge), Cell(sign, edge, cell.right)]
