"""A statement table as questions see it: series of figures in one scale over period columns."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from common.answers import AnswerLine
from common.evidence import Document, scale_line
from common.numbers import Scale
from common.tables import Row, Table, compact_cell, is_value

_FOOTNOTE = re.compile(r"(?<!\d)\s*\(?[\d*†]{1,2}\)?\s*$")
UNITLESS = re.compile(
    r"per share|per common|ratio|number of|shares|percent|%|rate|margin|years|days|yield|volatility|EPS", re.I
)
_MAX_LABEL_CHARS = 70


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the line that answers it."""

    question: str
    line: AnswerLine


def different(draw: Callable[[], Asked | None], count: int) -> Iterator[Asked]:
    """Yield up to `count` different questions of those drawn; gives up after four times as many draws."""
    seen: set[str] = set()
    for _ in range(count * 4):
        if len(seen) == count:
            return
        asked = draw()
        if asked is not None and asked.question not in seen:
            seen.add(asked.question)
            yield asked


@dataclass(frozen=True, slots=True)
class Series:
    """A row whose cells are figures in the table's own scale, by column label."""

    label: str
    cells: dict[str, str]

    def figure(self, column: str) -> str:
        return self.cells[column]

    def term(self, column: str) -> str:
        """Return the figure as the right-hand side of a sign."""
        cell = self.cells[column]
        return f"({cell})" if cell.startswith("-") else cell


@dataclass(frozen=True, slots=True)
class Sheet:
    series: list[Series]
    columns: list[str]
    scale: Scale

    def in_columns(self, rng: random.Random, count: int) -> list[str]:
        """Return `count` columns, in the table's order or turned round."""
        start = rng.randrange(len(self.columns) - count + 1)
        chosen = self.columns[start : start + count]
        return chosen if rng.random() < 0.5 else chosen[::-1]


def read_sheet(table: Table, document: Document) -> Sheet | None:
    columns = [column for column in table.columns if column]
    if len(set(columns)) != len(columns) or not columns:
        return None
    periods = _periods(columns)
    columns = periods if len(periods) > 1 else columns[:1]
    labels = Counter(clean_label(row.label) for row in table.rows)
    series = [_series(row, table) for row in table.rows if labels[clean_label(row.label)] == 1 and _is_amount(row)]
    usable = [one for one in series if all(column in one.cells for column in columns)]
    if len(usable) < 2:
        return None
    named = scale_line(document).removeprefix("Amounts in ")
    return Sheet(usable, columns, Scale(named) if named else Scale.NONE)


def say(series: Series, rng: random.Random) -> str:
    label = series.label
    if rng.random() < 0.5 and not label[:2].isupper():
        label = label[0].lower() + label[1:]
    return label if rng.random() < 0.5 else f"the {label}"


def earlier_first(columns: list[str]) -> list[str]:
    years = [re.findall(r"(?:19|20)\d\d", column) for column in columns]
    if all(years) and len({found[0] for found in years}) == len(columns):
        return [column for _, column in sorted(zip(years, columns, strict=True))]
    return columns


def join_names(columns: list[str]) -> str:
    return " and ".join((", ".join(columns[:-1]), columns[-1]))


def has_periods(table: Table) -> bool:
    """Tell whether at least two columns are periods."""
    return len(_periods(table.columns)) > 1


def _periods(columns: Iterable[str]) -> list[str]:
    return [column for column in columns if re.search(r"(?:19|20)\d\d", column)]


def _series(row: Row, table: Table) -> Series:
    cells = {
        column: compact_cell(cell)
        for column, cell in zip(table.columns, row.cells, strict=True)
        if is_value(cell) and not cell.rstrip(" )").endswith("%")
    }
    return Series(clean_label(row.label), cells)


def clean_label(label: str) -> str:
    """Return a row's label without its footnote marks and colon."""
    return _FOOTNOTE.sub("", label).rstrip(": ").strip()


def _is_amount(row: Row) -> bool:
    label = clean_label(row.label)
    return 2 < len(label) <= _MAX_LABEL_CHARS and not UNITLESS.search(label) and any(map(is_value, row.cells))
