"""Statement tables as reports print them: header rows, column labels, sections, and a compact text for prompts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from common.numbers import compact_figure, has_decimal_comma

CELL_SEPARATOR = " | "
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_ONLY_YEAR = re.compile(r"^(?:FY\s?)?(?:19|20)\d\d$")
_GROUPED = re.compile(r"\d,\d{3}(?!\d)")
_FOOTNOTE = re.compile(r"\s*\((?:\d|[a-z])\)\s*$")
_DATED = re.compile(
    r"(?P<span>.*?)\s*(?:\bended\b|\bending\b)?\s*"
    r"(?P<day>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? \d{1,2},?) (?P<year>(?:19|20)\d\d)"
    r"(?P<rest>.*)",
    re.I,
)
_MAX_HEADER_ROWS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: its label and the cells of the value columns, as printed."""

    label: str
    cells: tuple[str, ...]

    @property
    def is_section(self) -> bool:
        """Return whether the row is a heading without any value."""
        return not any(self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its headers resolved: one label per value column in `columns`, what holds for all in `title`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @classmethod
    def from_cells(cls, cells: Sequence[Sequence[str]]) -> "Table":
        """Read a grid of printed cells; the first column holds the row labels, spanning headers fill to the right."""
        width = max((1, *(len(row) for row in cells)))
        grid = [tuple(_clean(cell) for cell in row) + ("",) * (width - len(row)) for row in cells]
        headers = _header_count(grid)
        title, columns = _column_labels(grid[:headers], width)
        return cls(title, columns, tuple(Row(row[0], row[1:]) for row in grid[headers:] if any(row)))

    @classmethod
    def with_header(cls, cells: Sequence[Sequence[str]]) -> "Table":
        """Read a grid whose first row alone is the header; every other line is kept as a row, empty or not."""
        width = max((1, *(len(row) for row in cells)))
        grid = [tuple(_clean(cell) for cell in row) + ("",) * (width - len(row)) for row in cells]
        title, columns = _column_labels(grid[:1], width)
        return cls(title, columns, tuple(Row(row[0], row[1:]) for row in grid[1:]))

    def without_side_shares(self) -> "Table":
        """Return the table without the percentages beside its amounts that have no heading of their own.

        Earnings releases print so each amount's share of sales.
        """
        kept = [number for number in range(len(self.columns)) if not self._is_side_share(number)]
        if len(kept) == len(self.columns):
            return self
        rows = (Row(row.label, tuple(row.cells[number] for number in kept)) for row in self.rows)
        return Table(self.title, tuple(self.columns[number] for number in kept), tuple(rows))

    def _is_side_share(self, number: int) -> bool:
        if number == 0 or not self.columns[number - 1] or self._holds_only_percentages(number - 1):
            return False
        return self.columns[number] in ("", self.columns[number - 1]) and self._holds_only_percentages(number)

    def _holds_only_percentages(self, number: int) -> bool:
        cells = [row.cells[number] for row in self.rows if row.cells[number]]
        return bool(cells) and all(compact_cell(cell).endswith("%") for cell in cells)

    def text(self, keep: frozenset[int] | None = None) -> str:
        """Return compact lines `label: column=figure; ...`, with only the rows numbered in `keep` where it is given.

        Every figure stands next to its column's label, so that no reader has to count columns; currency signs and
        thousands commas are left out and brackets become minus signs.
        """
        lines = [self.title] if self.title else []
        lines += [self.line(row) for number, row in enumerate(self.rows) if keep is None or number in keep]
        return "\n".join(lines)

    def line(self, row: Row) -> str:
        """Return one row's compact line."""
        label = row.label.rstrip(": ")
        cells = [
            f"{column}={self.compact(cell)}" if column else self.compact(cell)
            for column, cell in zip(self.columns, row.cells, strict=True)
            if cell
        ]
        return f"{label}: {'; '.join(cells)}" if cells else f"{label}:"

    def compact(self, cell: str) -> str:
        """Return one of the table's cells as prompts show it, by compact_cell.

        In a table whose commas group thousands, `11,54` is no decimal but a figure that lost a digit: its comma goes.
        """
        if has_decimal_comma(cell) and self._groups_thousands():
            return compact_figure(cell.replace(",", "")) or cell
        return compact_cell(cell)

    def _groups_thousands(self) -> bool:
        return any(_GROUPED.search(cell) for row in self.rows for cell in row.cells)


def compact_cell(cell: str) -> str:
    """Return the cell as prompts show it: a figure in program form, any other text unchanged."""
    figure = compact_figure(cell)
    return cell if figure is None else figure


def is_value(cell: str) -> bool:
    """Return whether a cell holds a figure that is not a year."""
    return compact_figure(cell) is not None and not _ONLY_YEAR.match(cell)


def _clean(cell: str) -> str:
    return " ".join(cell.split())


def _header_count(grid: Sequence[tuple[str, ...]]) -> int:
    count = 0
    named = False
    for row in grid[:_MAX_HEADER_ROWS]:
        if any(is_value(cell) for cell in row[1:]):
            return count
        if not any(row[1:]) and named:
            return count
        named = named or any(row[1:])
        count += 1
    return (
        count
        if count < len(grid) and any(is_value(cell) for row in grid[count:] for cell in row[1:])
        else min(1, len(grid))
    )


def _column_labels(headers: Sequence[tuple[str, ...]], width: int) -> tuple[str, tuple[str, ...]]:
    """Return what the headers say of the whole table, and one label per value column."""
    titles: list[str] = []
    parts: list[list[str]] = [[] for _ in range(max(width - 1, 0))]
    for row in headers:
        titles.append(row[0])
        named = [cell for cell in row[1:] if cell]
        if len(named) == 1 and len(parts) > 1:
            titles.append(named[0])
            continue
        current = ""
        for column, cell in enumerate(row[1:]):
            current = cell or current
            if current and current not in parts[column]:
                parts[column].append(current)
    labels = [" ".join(part) for part in parts]
    shared, short = _shorten(labels)
    title = ", ".join(dict.fromkeys(text.rstrip(":,") for text in (*titles, shared) if text))
    return title, tuple(short)


def _shorten(labels: Sequence[str]) -> tuple[str, list[str]]:
    """Return the text the labels share and the labels without it; labels told apart by their year become that year."""
    distinct = list(dict.fromkeys(labels))
    if len(distinct) < len(labels):
        title, short = _shorten(distinct)
        return title, [short[distinct.index(label)] for label in labels]
    dated = [_DATED.fullmatch(label) for label in labels]
    if len(labels) > 1 and all(dated) and all(found and found["span"].strip() for found in dated):
        return _without_days([found for found in dated if found], labels)
    filled = [label for label in labels if label]
    if len(filled) < 2:
        return ("", list(labels)) if len(labels) > 1 else (next(iter(filled), ""), [""] * len(labels))
    years = [_YEAR.findall(label) for label in labels]
    if all(len(set(found)) == 1 for found in years) and len({found[0] for found in years}) == len(labels):
        rests = {" ".join(_YEAR.sub(" ", label).split()).strip(" ,") for label in labels}
        if len(rests) == 1:
            return rests.pop(), [found[0] for found in years]
        bare = [_FOOTNOTE.sub("", label) for label in labels]
        return "; ".join(label for label in bare if not _ONLY_YEAR.match(label)), [found[0] for found in years]
    return _without_shared_words(labels)


def _without_days(dated: Sequence[re.Match[str]], labels: Sequence[str]) -> tuple[str, list[str]]:
    """Return the days that periods end on, and the labels without: `13 Weeks Ended Jan 28, 2023` is `13 Weeks 2023`.

    Labels that their days alone tell apart keep them.
    """
    short = [" ".join(f"{found['span']} {found['year']} {found['rest']}".split()) for found in dated]
    if len(set(short)) < len(set(labels)):
        return _without_shared_words(labels)
    return "; ".join(dict.fromkeys(f"{found['day']} {found['year']}" for found in dated)), short


def _without_shared_words(labels: Sequence[str]) -> tuple[str, list[str]]:
    words = [label.split() for label in labels]
    shared = [word for word in words[0] if all(word in others for others in words)]
    short = [" ".join(word for word in label if word not in shared) for label in words]
    if not shared or not all(short) or len(set(short)) < len(set(labels)):
        return "", list(labels)
    return " ".join(dict.fromkeys(shared)), short
