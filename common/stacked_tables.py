"""Tables whose cells a text extraction printed one below the other, as rows again; pure, no I/O.

Tools that take the text out of a PDF often print each cell on a line of its own, so that a figure stands far from its
label and its year. A table is taken for one only where its periods stand above it and where rows have as many figures.
Where a row lacks a figure and has the number of a note instead, that number stands in the missing figure's column.
Where full rows have no blank lines among their figures, a blank line in another row is an empty cell.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from common.numbers import CURRENCY_SIGNS, DASHES
from common.tables import CELL_SEPARATOR

_MIN_COLUMNS, _MAX_COLUMNS = 2, 12
_MIN_ROWS = 3
_MAX_LINE_CHARS = 200
_MAX_HEADER_LINES = 24
# So many labels in a row without figures of their own end a table.
_MAX_GAP = 12
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?"
_PERIOD = re.compile(rf"(?:{_MONTH}\s+\d{{1,2}},?\s+)?(?:(?:FY|Q[1-4])\s?)?(?:19|20)\d\d", re.IGNORECASE)
_PERIODS = re.compile(rf"(?P<caption>.*?)(?P<periods>(?:{_PERIOD.pattern})(?:\s+{_PERIOD.pattern})*)", re.IGNORECASE)
_CAPTION = re.compile(r"\b(?:ended|ending|months|weeks|fiscal|years?|quarters?|as of)\b", re.IGNORECASE)
_SIGN_BEFORE = rf"(?:[{CURRENCY_SIGNS}]\s?)?"
_CELL = rf"{_SIGN_BEFORE}[(]?\s?{_SIGN_BEFORE}[{DASHES}]?(?:\d[\d,]*(?:\.\d+)?|\.\d+|[{DASHES}])\s?[)]?\s?%?"
_CELLS = re.compile(rf"(?P<label>.*?)(?:^|(?<=\s))(?P<cells>{_CELL}(?:\s+{_CELL})*)(?:\s*[{CURRENCY_SIGNS}])?")
_ONE_CELL = re.compile(_CELL)
_CLOSING = re.compile(r"[)]\s?%?|%")


@dataclass(slots=True)
class _Entry:
    """A label with the figures that follow it, and the lines it came from.

    `slots` are the figures with an empty text for each blank line among and behind them; the first `beside_label` of
    the figures stand on the label's own line.
    """

    label: str
    cells: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    slots: list[str] = field(default_factory=list)
    beside_label: int = 0

    def row(self, columns: int, *, blanks_are_cells: bool) -> list[str] | None:
        """Return label and cells where there is one for each column, None where nobody can tell."""
        if not self.label:
            return None
        if len(self.cells) == columns:
            return [self.label, *self.cells]
        if len(self.cells) - self.beside_label == columns:  # `net of allowances of $95 and $103` is all label
            return [self.lines[0], *self.cells[self.beside_label :]]
        return [self.label, *self.slots] if blanks_are_cells and len(self.slots) == columns else None

    @property
    def is_dense(self) -> bool:
        """Whether no blank line stands among the figures."""
        return "" not in self.slots[: self.slots.index(self.cells[-1]) + 1]


def rejoin_rows(lines: Sequence[str]) -> list[str]:
    """Return the lines with every stacked table's rows as `label | figure | figure`, all else word for word.

    Inside a table, blank lines and lone currency signs are left out, and a label that has another number of figures
    than there are periods stands with its figures in the first cell, in no column.
    """
    found: list[str] = []
    number = 0
    while number < len(lines):
        header = _header(lines, number)
        rows, after = _body(lines, header.after, len(header.periods)) if header.is_table else ([], 0)
        if sum(not row.endswith("|") for row in rows) >= _MIN_ROWS:
            found += [*header.rows(), *rows]
        else:
            after = number + 1 if header.is_table else max(number + 1, header.after)
            found += lines[number:after]
        number = after
    return found


@dataclass(frozen=True, slots=True)
class _Header:
    """What stands above columns, and the number of the line after it."""

    captions: tuple[str, ...]
    periods: tuple[str, ...]
    after: int

    @property
    def is_table(self) -> bool:
        """Whether there are as many periods as a statement has columns."""
        return _MIN_COLUMNS <= len(self.periods) <= _MAX_COLUMNS

    def rows(self) -> Iterator[str]:
        """Yield the header rows; captions that share the periods evenly stand above the first of theirs."""
        share, rest = divmod(len(self.periods), max(1, len(self.captions)))
        if len(self.captions) > 1 and not rest:
            yield CELL_SEPARATOR.join(["", *(cell for text in self.captions for cell in [text, *[""] * (share - 1)])])
            yield CELL_SEPARATOR.join(["", *self.periods])
            return
        yield CELL_SEPARATOR.join([" ".join(self.captions), *self.periods])


def _header(lines: Sequence[str], start: int) -> _Header:
    """Read the captions and periods that stand from a line on."""
    captions: list[str] = []
    periods: list[str] = []
    after = start
    while after < min(len(lines), start + _MAX_HEADER_LINES):
        line = " ".join(lines[after].split())
        found = _PERIODS.fullmatch(line) if len(line) <= _MAX_LINE_CHARS else None
        if found and (not found["caption"] or _CAPTION.search(found["caption"])):
            captions += [found["caption"].strip()] if found["caption"].strip() else []
            periods += [match[0] for match in _PERIOD.finditer(found["periods"])]
        elif len(line) <= _MAX_LINE_CHARS and _CAPTION.search(line) and not line.endswith("."):
            captions.append(line)
        elif not _says_nothing(line):
            break
        after += 1
    return _Header(tuple(captions), tuple(periods), after)


def _body(lines: Sequence[str], start: int, columns: int) -> tuple[list[str], int]:
    """Return the rows of a table, headings among them, and the number of the line after its last row of figures."""
    rows: list[str] = []
    kept_rows, kept_end = 0, start
    blanks_are_cells = False
    for entry, end in _entries(lines, start):
        row = entry.row(columns, blanks_are_cells=blanks_are_cells)
        if row is not None:
            rows.append(CELL_SEPARATOR.join(row))
            kept_rows, kept_end = len(rows), end
            if len(entry.cells) == columns:
                blanks_are_cells = entry.is_dense
        else:
            rows.append(" ".join(entry.lines) + CELL_SEPARATOR.rstrip())
        if len(rows) - kept_rows > _MAX_GAP or _header(lines, end).is_table:
            break
    return rows[:kept_rows], kept_end


def _entries(lines: Sequence[str], start: int) -> Iterator[tuple[_Entry, int]]:
    """Yield labels with their figures, each with the number of the line after it."""
    entry = _Entry("")
    for number in range(start, len(lines)):
        line = " ".join(lines[number].split())
        if not line and entry.label and len(entry.slots) <= _MAX_COLUMNS:
            entry.slots.append("")
        if _says_nothing(line):
            continue
        if entry.cells and _CLOSING.fullmatch(line):
            entry.cells[-1] += _joined(line)
            entry.slots = [*_without_last_blanks(entry.slots)[:-1], entry.cells[-1]]
            if len(entry.cells) == entry.beside_label:
                entry.lines[-1] += f" {line}"
            else:
                entry.lines.append(line)
            continue
        if len(entry.cells) > _MAX_COLUMNS:  # no row: what follows may be
            yield entry, number
            entry = _Entry("")
        found = _CELLS.fullmatch(line) if len(line) <= _MAX_LINE_CHARS else None
        label = line if found is None else found["label"].strip()
        if label and (entry.label or entry.cells):
            yield entry, number
            entry = _Entry("")
        cells = [] if found is None else [_joined(match[0]) for match in _ONE_CELL.finditer(found["cells"])]
        entry.beside_label = entry.beside_label or (len(cells) if label else 0)
        entry.label = entry.label or label
        entry.cells += cells
        entry.slots += cells
        entry.lines.append(line)
    if entry.lines:
        yield entry, len(lines)


def _without_last_blanks(slots: list[str]) -> list[str]:
    filled = [number for number, slot in enumerate(slots) if slot]
    return slots[: filled[-1] + 1] if filled else []


def _says_nothing(line: str) -> bool:
    """Whether a line is blank or a lone currency sign."""
    return not line or (len(line) == 1 and line in CURRENCY_SIGNS)


def _joined(cell: str) -> str:
    return "".join(cell.split())
