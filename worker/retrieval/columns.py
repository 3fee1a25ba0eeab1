"""The columns of a printed table, from where its figures stand: points in a PDF, grid columns in HTML."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from common.numbers import CURRENCY_SIGNS, DASHES, parse_figure
from common.tables import CELL_SEPARATOR

_EDGE = 3.0
_FEWEST_FULL_ROWS = 3
_FEWEST_HEADINGS, _FEWEST_SPANNED = 2, 2
_OFF_CENTRE_SHARE = 0.2
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
    def middle(self) -> float:
        """Return the middle of its extent."""
        return (self.left + self.right) / 2

    @property
    def is_dash(self) -> bool:
        """Return whether the cell is a dash that stands for no figure."""
        bare = self.text.strip(CURRENCY_SIGNS + " ")
        return bool(bare) and all(sign in DASHES for sign in bare)

    @property
    def is_value(self) -> bool:
        """Return whether the cell is a figure or a dash that stands for none."""
        return self.is_dash or parse_figure(self.text) is not None


def is_year(text: str) -> bool:
    """Return whether a cell is a year, which heads a column and need not be aligned with its figures."""
    return _YEAR.fullmatch(text) is not None


def is_sign(text: str) -> bool:
    """Return whether a word is no figure but belongs to the one before or after it."""
    return text in _OPENERS or set(text) <= _CLOSERS


def _is_amount(cell: Cell) -> bool:
    return cell.is_value and not is_year(cell.text)


Extents = list[tuple[float, float]]


def _overlapping(rows: Sequence[Sequence[Cell]]) -> Extents:
    extents: Extents = []
    for left, right in sorted((cell.left, cell.right) for row in rows for cell in row):
        if extents and left < extents[-1][1]:
            extents[-1] = (extents[-1][0], max(extents[-1][1], right))
        else:
            extents.append((left, right))
    return extents


def _of_full_rows(rows: Sequence[Sequence[Cell]]) -> Extents:
    """Return the columns of those rows that have the most figures; none where they are few or do not line up."""
    counts = Counter(map(len, rows))
    width = max((count for count, found in counts.items() if found >= _FEWEST_FULL_ROWS), default=0)
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True)) if width > 1 else []
    extents = [(min(cell.left for cell in column), max(cell.right for cell in column)) for column in columns]
    return extents if all(left[1] <= right[0] for left, right in pairwise(extents)) else []


class Columns:
    """Value columns as horizontal extents, left to right."""

    @property
    def count(self) -> int:
        """Return how many value columns there are."""
        return len(self._extents)

    def __init__(self, extents: Sequence[tuple[float, float]], label_left: float) -> None:
        self._extents = extents
        # Labels begin in the left half of what is before the first column; headings of that column do not.
        self._label_limit = (label_left + extents[0][0]) / 2 if extents else 0.0

    @classmethod
    def of(cls, rows: Sequence[Sequence[Cell]]) -> Self:
        """Find the columns of rows that stand together: figures that overlap horizontally share one.

        A few wide figures can overlap two columns; where full rows show more columns than that, theirs are taken.
        """
        figures = [[cell for cell in row[1:] if cell.is_value] for row in rows]
        counted = [[cell for cell in row if not is_year(cell.text) and not cell.is_dash] for row in figures]
        if not any(counted):
            counted = figures
        label_left = min((row[0].left for row, values in zip(rows, figures, strict=True) if values), default=0.0)
        return cls(max(_overlapping(counted), _of_full_rows(counted), key=len), label_left)

    def row_text(self, row: Sequence[Cell]) -> str:
        """Return a row with every cell under its column; a line without a value is returned as it is."""
        if not self._extents:
            return CELL_SEPARATOR.join(cell.text for cell in row)
        if len(row) == 1 and not self._is_lone_value(row[0]):
            return row[0].text
        cells = [""] * (len(self._extents) + 1)
        spanning = self._spanning(row)
        for cell in row:
            place = spanning.get(id(cell)) or self._place(cell)
            cells[place] = f"{cells[place]} {cell.text}".strip()
        return CELL_SEPARATOR.join(cells) if any(cells[1:]) else cells[0]

    def _is_lone_value(self, cell: Cell) -> bool:
        """Return whether a figure alone on its line closes a column, as totals do and page numbers do not."""
        return cell.is_value and any(abs(cell.right - right) < _EDGE for _, right in self._extents)

    def _spanning(self, row: Sequence[Cell]) -> dict[int, int]:
        """Return the first column of each heading, by its id, where headings stand centred over equal groups."""
        headings = [cell for cell in row if cell.middle > self._extents[0][0]]
        size, rest = divmod(len(self._extents), max(1, len(headings)))
        if len(headings) < _FEWEST_HEADINGS or size < _FEWEST_SPANNED or rest or any(map(_is_amount, row)):
            return {}
        found: dict[int, int] = {}
        for number, cell in enumerate(headings):
            group = self._extents[number * size : (number + 1) * size]
            left, right = group[0][0], group[-1][1]
            if abs(cell.middle - (left + right) / 2) > _OFF_CENTRE_SHARE * (right - left):
                return {}
            found[id(cell)] = number * size + 1
        return found

    def _place(self, cell: Cell) -> int:
        """Return the column a cell stands in; 0 is the label column."""
        is_label = not cell.is_value and cell.left < self._label_limit
        first_left = self._extents[0][0]
        overlaps = [min(cell.right, right) - max(cell.left, left) for left, right in self._extents]
        best = max(range(len(overlaps)), key=overlaps.__getitem__)
        if overlaps[best] > 0:
            return 0 if is_label else best + 1
        if is_label or (cell.is_value and cell.right <= first_left and cell.left <= 0.8 * first_left):
            return 0
        return 1 + min(range(len(overlaps)), key=lambda number: abs(2 * cell.middle - sum(self._extents[number])))


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
