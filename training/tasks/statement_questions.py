"""The questions that can be asked of a statement table, in analysts' wordings, each with the line that answers it."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from common.answers import AnswerLine, count_line, number_line, span_line
from common.evidence import Document, scale_line
from common.numbers import Scale
from common.tables import Row, Table, compact_cell, is_value

_FOOTNOTE = re.compile(r"\s*\(?[\d*†]{1,2}\)?\s*$")
_UNITLESS = re.compile(
    r"per share|per common|ratio|number of|shares|percent|%|rate|margin|years|days|yield|volatility|EPS", re.I
)
_MAX_LABEL_CHARS = 70


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the line that answers it."""

    question: str
    line: AnswerLine


@dataclass(frozen=True, slots=True)
class _Series:
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
class _Sheet:
    series: list[_Series]
    columns: list[str]
    scale: Scale

    def in_columns(self, rng: random.Random, count: int) -> list[str]:
        """Return `count` columns, in the table's order or turned round."""
        start = rng.randrange(len(self.columns) - count + 1)
        chosen = self.columns[start : start + count]
        return chosen if rng.random() < 0.5 else chosen[::-1]


def questions_over(table: Table, document: Document, count: int, rng: random.Random) -> Iterator[Asked]:
    """Yield up to `count` different questions over one table; none where it has no usable series."""
    sheet = _sheet(table, document)
    if sheet is None:
        return
    kinds = [kind for kind, needs in _KINDS if needs <= len(sheet.columns)]
    seen: set[str] = set()
    for _ in range(count * 4):
        if len(seen) == count:
            return
        asked = rng.choice(kinds)(sheet, rng)
        if asked is not None and asked.question not in seen:
            seen.add(asked.question)
            yield asked


def _sheet(table: Table, document: Document) -> _Sheet | None:
    columns = [column for column in table.columns if column]
    if len(set(columns)) != len(columns) or not columns:
        return None
    periods = [column for column in columns if re.search(r"(?:19|20)\d\d", column)]
    columns = periods if len(periods) > 1 else columns[:1]
    labels = Counter(_label(row) for row in table.rows)
    series = [_series(row, table) for row in table.rows if labels[_label(row)] == 1 and _is_amount(row)]
    usable = [one for one in series if all(column in one.cells for column in columns)]
    if len(usable) < 2:
        return None
    named = scale_line(document).removeprefix("Amounts in ")
    return _Sheet(usable, columns, Scale(named) if named else Scale.NONE)


def _series(row: Row, table: Table) -> _Series:
    cells = {
        column: compact_cell(cell)
        for column, cell in zip(table.columns, row.cells, strict=True)
        if is_value(cell) and not cell.rstrip(" )").endswith("%")
    }
    return _Series(_label(row), cells)


def _label(row: Row) -> str:
    return _FOOTNOTE.sub("", row.label).rstrip(": ").strip()


def _is_amount(row: Row) -> bool:
    label = _label(row)
    return 2 < len(label) <= _MAX_LABEL_CHARS and not _UNITLESS.search(label) and any(map(is_value, row.cells))


def _say(series: _Series, rng: random.Random) -> str:
    label = series.label
    if rng.random() < 0.5 and not label[:2].isupper():
        label = label[0].lower() + label[1:]
    return label if rng.random() < 0.5 else f"the {label}"


def _lookup(sheet: _Sheet, rng: random.Random) -> Asked:
    row, column = rng.choice(sheet.series), rng.choice(sheet.columns)
    text = rng.choice(
        ("What was {x} in {c}?", "What is {x} in {c}?", "How much was {x} in {c}?", "What is the amount of {x} in {c}?")
    )
    return Asked(text.format(x=_say(row, rng), c=column), span_line((row.figure(column),), sheet.scale))


def _lookups(sheet: _Sheet, rng: random.Random) -> Asked:
    row, columns = rng.choice(sheet.series), sheet.in_columns(rng, 2)
    text = rng.choice(
        (
            "What was {x} in {a} and {b} respectively?",
            "What are the respective values of {x} in {a} and {b}?",
            "What is {x} for {a} and {b}, respectively?",
        )
    )
    question = text.format(x=_say(row, rng), a=columns[0], b=columns[1])
    return Asked(question, span_line(tuple(row.figure(column) for column in columns), sheet.scale))


def _difference(sheet: _Sheet, rng: random.Random) -> Asked:
    row, (old, new) = rng.choice(sheet.series), _earlier_first(sheet.in_columns(rng, 2))
    text = rng.choice(
        (
            "What is the change in {x} between {a} and {b}?",
            "What was the change in {x} from {a} to {b}?",
            "What is the increase / (decrease) in {x} from {a} to {b}?",
            "How much did {x} change by from {a} to {b}?",
            "What was the change in {x} in {b} from {a}?",
        )
    )
    program = f"{row.figure(new)}-{row.term(old)}"
    return Asked(text.format(x=_say(row, rng), a=old, b=new), number_line(program, sheet.scale))


def _percent_change(sheet: _Sheet, rng: random.Random) -> Asked | None:
    row, (old, new) = rng.choice(sheet.series), _earlier_first(sheet.in_columns(rng, 2))
    if Decimal(row.figure(old)) == 0:
        return None
    text = rng.choice(
        (
            "What is the percentage change in {x} between {a} and {b}?",
            "What was the percentage change in {x} from {a} to {b}?",
            "What is the percentage increase / (decrease) in {x} from {a} to {b}?",
            "What is the growth rate of {x} from {a} to {b}?",
            "By what percentage did {x} change in {b} compared to {a}?",
        )
    )
    program = f"pct({row.figure(new)},{row.figure(old)})"
    return Asked(text.format(x=_say(row, rng), a=old, b=new), number_line(program, Scale.PERCENT))


def _average(sheet: _Sheet, rng: random.Random) -> Asked:
    row, count = rng.choice(sheet.series), rng.randint(2, min(4, len(sheet.columns)))
    columns = sheet.in_columns(rng, count)
    names = _join(columns) if count == 2 or rng.random() < 0.6 else f"the years {min(columns)} to {max(columns)}"
    text = rng.choice(
        ("What is the average {x} for {c}?", "What was the average {x} in {c}?", "What is the average {x} over {c}?")
    )
    program = f"avg({','.join(row.figure(column) for column in columns)})"
    return Asked(text.format(x=_say(row, rng).removeprefix("the "), c=names), number_line(program, sheet.scale))


def _total(sheet: _Sheet, rng: random.Random) -> Asked:
    row, columns = rng.choice(sheet.series), sheet.in_columns(rng, 2)
    text = rng.choice(
        ("What is the total {x} in {c}?", "What is the sum of {x} in {c}?", "What was the combined {x} for {c}?")
    )
    program = f"{row.figure(columns[0])}+{row.term(columns[1])}"
    return Asked(
        text.format(x=_say(row, rng).removeprefix("the "), c=_join(columns)), number_line(program, sheet.scale)
    )


def _rows_total(sheet: _Sheet, rng: random.Random) -> Asked:
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    text = rng.choice(
        (
            "What is the sum of {x} and {y} in {c}?",
            "What is the total of {x} and {y} in {c}?",
            "How much were {x} and {y} together in {c}?",
        )
    )
    program = f"{one.figure(column)}+{other.term(column)}"
    return Asked(text.format(x=_say(one, rng), y=_say(other, rng), c=column), number_line(program, sheet.scale))


def _rows_difference(sheet: _Sheet, rng: random.Random) -> Asked:
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    text = rng.choice(
        ("What is the difference between {x} and {y} in {c}?", "What was the difference in {c} between {x} and {y}?")
    )
    program = f"{one.figure(column)}-{other.term(column)}"
    return Asked(text.format(x=_say(one, rng), y=_say(other, rng), c=column), number_line(program, sheet.scale))


def _share(sheet: _Sheet, rng: random.Random) -> Asked | None:
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    if Decimal(other.figure(column)) == 0:
        return None
    text = rng.choice(
        (
            "What is {x} as a percentage of {y} in {c}?",
            "What percentage of {y} was made up of {x} in {c}?",
            "In {c}, what is {x} expressed as a percentage of {y}?",
            "What is the proportion of {x} over {y} in {c}?",
        )
    )
    program = f"share({one.figure(column)},{other.figure(column)})"
    return Asked(text.format(x=_say(one, rng), y=_say(other, rng), c=column), number_line(program, Scale.PERCENT))


def _ratio(sheet: _Sheet, rng: random.Random) -> Asked | None:
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    if Decimal(other.figure(column)) == 0:
        return None
    text = rng.choice(("What is the ratio of {x} to {y} in {c}?", "In {c}, what was the ratio of {x} to {y}?"))
    program = f"{one.figure(column)}/{other.term(column)}"
    return Asked(text.format(x=_say(one, rng), y=_say(other, rng), c=column), number_line(program, Scale.NONE))


def _which_year(sheet: _Sheet, rng: random.Random) -> Asked | None:
    row = rng.choice(sheet.series)
    values = {column: Decimal(row.figure(column)) for column in sheet.columns}
    if len(set(values.values())) != len(values):
        return None
    highest = rng.random() < 0.7
    best = (max if highest else min)(values, key=values.__getitem__)
    word = rng.choice(("highest", "largest")) if highest else rng.choice(("lowest", "smallest"))
    if len(values) == 2:
        word = rng.choice(("higher", "larger")) if highest else rng.choice(("lower", "smaller"))
    text = rng.choice(
        (
            "In which year was {x} {w}?",
            "Which year has the {w} amount of {x}?",
            "In which year was the amount of {x} {w}?",
        )
    )
    return Asked(text.format(x=_say(row, rng), w=word), span_line((best,), Scale.NONE))


def _count_years(sheet: _Sheet, rng: random.Random) -> Asked | None:
    row = rng.choice(sheet.series)
    values = {column: Decimal(row.figure(column)) for column in sheet.columns}
    over = rng.random() < 0.8
    threshold = _round_threshold(values, rng)
    if threshold is None:
        return None
    years = tuple(column for column, value in values.items() if (value > threshold if over else value < threshold))
    if not years:
        return None
    unit = "" if sheet.scale is Scale.NONE else f" {sheet.scale}"
    amount = f"${threshold:,f}{unit}"
    counted = rng.random() < 0.6
    verb = ("exceed" if over else "fall below") if counted else ("more than" if over else "less than")
    question = (
        f"How many years did {_say(row, rng)} {verb} {amount}?"
        if counted
        else f"In which year(s) was {_say(row, rng)} {verb} {amount}?"
    )
    return Asked(question, count_line(years) if counted else span_line(years, Scale.NONE))


def _average_change(sheet: _Sheet, rng: random.Random) -> Asked:
    row, (first, second, third) = rng.choice(sheet.series), _earlier_first(sheet.in_columns(rng, 3))
    name = _say(row, rng).removeprefix("the ")
    question = f"What is the change between {first}-{second} and {second}-{third} average {name}?"
    program = f"avg({row.figure(second)},{row.figure(third)})-avg({row.figure(first)},{row.figure(second)})"
    return Asked(question, number_line(program, sheet.scale))


# Each kind with the number of period columns it needs; weights by repetition follow how often analysts ask so.
_KINDS: list[tuple[Callable[[_Sheet, random.Random], Asked | None], int]] = [
    (_lookup, 1),
    (_lookups, 2),
    (_difference, 2),
    (_difference, 2),
    (_percent_change, 2),
    (_percent_change, 2),
    (_average, 2),
    (_total, 2),
    (_rows_total, 1),
    (_rows_difference, 1),
    (_share, 1),
    (_ratio, 1),
    (_which_year, 2),
    (_count_years, 2),
    (_average_change, 3),
]


def _earlier_first(columns: list[str]) -> list[str]:
    years = [re.findall(r"(?:19|20)\d\d", column) for column in columns]
    if all(years) and len({found[0] for found in years}) == len(columns):
        return [column for _, column in sorted(zip(years, columns, strict=True))]
    return columns


def _join(columns: list[str]) -> str:
    return " and ".join((", ".join(columns[:-1]), columns[-1]))


def _round_threshold(values: dict[str, Decimal], rng: random.Random) -> Decimal | None:
    """Return a round positive number between or just under the values, that none of them equals."""
    low, high = min(values.values()), max(values.values())
    if high <= 0:
        return None
    target = (
        low + (high - low) * Decimal(rng.choice((0.3, 0.5, 0.8)))
        if low > 0 and rng.random() < 0.7
        else high * Decimal("0.6")
    )
    step = Decimal(10) ** (target.adjusted() - 1) * 5 if target > 0 else Decimal(0)
    rounded = (target // step) * step if step else Decimal(0)
    if rounded <= 0 or rounded in values.values():
        return None
    return rounded.quantize(Decimal(1)) if rounded >= 1 else rounded
