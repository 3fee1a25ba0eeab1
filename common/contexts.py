"""Reads a context given as text into tables and paragraphs; pure, no I/O."""

import math
import re
from collections.abc import Sequence

from common.evidence import Document
from common.stacked_tables import rejoin_rows
from common.tables import CELL_SEPARATOR, Table, is_value

# Headings of a statement's parts, and torn labels, stand between its rows; more or longer lines are text after it.
_MOST_HEADINGS = 3
_LONGEST_HEADING_CHARS = 200
_FEWEST_SENTENCE_WORDS = 4
_LONGEST_WRAPPED_LINE_CHARS = 200
_FEWEST_WRAPPED_LINES = 8
_PROSE_LETTERS_SHARE = 0.7
_FULL_LINE_SHARE = 0.8
_SENTENCE_ENDS = frozenset('.:!?”"')
# Stands above a table on a line of its own and says what its columns are.
_CAPTION = re.compile(
    r"(?:[\w-]+ ){0,4}(?:weeks|months|quarters?|years?) (?:ended|ending)\b.{0,40}|(?:as of|at) .{0,40}", re.I
)


def parse_context(context: str) -> Document:
    """Read a context given as text: runs of lines with ` | ` are tables, every other line is a paragraph.

    A table goes on behind headings without any bar where rows of the same width follow that have no header of their
    own; the headings become its sections. Lines that a page wrapped are paragraphs again. In a context without any
    bar, tables whose cells stand one below the other are rows again.
    """
    lines = context.splitlines()
    reader = _Reader(_wrapped_chars(lines))
    for line in lines if "|" in context else rejoin_rows(lines):
        reader.read(line)
    return reader.document()


class _Reader:
    def __init__(self, wrapped_chars: float) -> None:
        self._wrapped_chars = wrapped_chars
        self._line_before = ""
        self._tables: list[Table] = []
        self._paragraphs: list[str] = []
        self._grid: list[list[str]] = []
        self._headings: list[str] = []
        self._caption: str | None = None

    def read(self, line: str) -> None:
        text = " ".join(line.split())
        if "|" in line:
            self._row(_cells(line))
        elif self._grid and self._may_be_heading(text):
            self._headings.append(text)
        else:
            self._close()
            self._text(text)

    def document(self) -> Document:
        self._close()
        return Document(tuple(self._tables), tuple(self._paragraphs))

    def _text(self, text: str) -> None:
        is_open = bool(text) and self._is_open(text)
        if is_open:
            self._paragraphs[-1] = f"{self._paragraphs[-1]} {text}"
        elif text:
            self._paragraphs.append(text)
        self._line_before = text
        self._caption = text if _CAPTION.fullmatch(text) and not is_open else None

    def _is_open(self, text: str) -> bool:
        """Return whether the line before was wrapped within a sentence that goes on."""
        before = self._line_before
        if not before or before[-1] in _SENTENCE_ENDS or not (_is_prose(before) and _is_prose(text)):
            return False
        is_full = len(before) >= self._wrapped_chars
        return is_full or (text[0].islower() and len(before) >= _FULL_LINE_SHARE * self._wrapped_chars)

    def _row(self, cells: list[str]) -> None:
        if self._headings and not self._goes_on(cells):
            self._close()
        self._grid += [[heading] + [""] * (len(cells) - 1) for heading in self._headings]
        self._headings = []
        if not self._grid and self._caption is not None:
            self._grid.append([self._caption] + [""] * (len(cells) - 1))
            self._paragraphs.pop()
        self._caption, self._line_before = None, ""
        self._grid.append(cells)

    def _goes_on(self, cells: Sequence[str]) -> bool:
        return len(cells) == len(self._grid[-1]) and any(map(is_value, cells[1:]))

    def _may_be_heading(self, text: str) -> bool:
        is_sentence = text.endswith(".") and text.count(" ") >= _FEWEST_SENTENCE_WORDS
        is_short = 0 < len(text) <= _LONGEST_HEADING_CHARS
        return is_short and not is_sentence and len(self._headings) < _MOST_HEADINGS

    def _close(self) -> None:
        if len(self._grid) > 1:
            self._tables.append(Table.from_cells([row for row in self._grid if not _is_rule(row)]))
        elif self._grid:
            self._paragraphs.append(CELL_SEPARATOR.join(self._grid[0]))
        self._paragraphs += self._headings
        self._grid, self._headings = [], []


def _is_prose(line: str) -> bool:
    """Return whether a line is running text and no row of figures."""
    letters = sum(letter.isalpha() or letter.isspace() for letter in line)
    return "=" not in line and letters >= _PROSE_LETTERS_SHARE * len(line)


def _wrapped_chars(lines: Sequence[str]) -> float:
    """Return from how many characters on a line counts as wrapped by its page; infinite where pages wrap none."""
    lengths = [len(line) for line in lines if "|" not in line]
    longest = max(lengths, default=0)
    if longest > _LONGEST_WRAPPED_LINE_CHARS or sum(length > longest / 2 for length in lengths) < _FEWEST_WRAPPED_LINES:
        return math.inf
    return _FULL_LINE_SHARE * longest


def _cells(line: str) -> list[str]:
    """Return a line's cells; Markdown puts bars at both ends, while a first bar alone follows an empty label."""
    bare = line.rstrip()
    if bare.startswith("|") and bare.endswith("|") and len(bare) > 1:
        bare = bare[1:-1]
    return [cell.strip() for cell in bare.split("|")]


def _is_rule(row: Sequence[str]) -> bool:
    return all(cell and set(cell) <= set("-:=") for cell in row)
