"""Questions about one row of a statement: look up, change, average, sum, which period, how many periods."""

import random
from decimal import Decimal

from common.answers import count_line, number_line, span_line
from common.numbers import Scale
from training.tasks.statement_sheet import Asked, Sheet, earlier_first, join_names, say


def lookup(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for one figure."""
    row, column = rng.choice(sheet.series), rng.choice(sheet.columns)
    text = rng.choice(
        ("What was {x} in {c}?", "What is {x} in {c}?", "How much was {x} in {c}?", "What is the amount of {x} in {c}?")
    )
    return Asked(text.format(x=say(row, rng), c=column), span_line((row.figure(column),), sheet.scale))


def lookups(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for one row's figures in two periods."""
    row, columns = rng.choice(sheet.series), sheet.in_columns(rng, 2)
    text = rng.choice(
        (
            "What was {x} in {a} and {b} respectively?",
            "What are the respective values of {x} in {a} and {b}?",
            "What is {x} for {a} and {b}, respectively?",
        )
    )
    question = text.format(x=say(row, rng), a=columns[0], b=columns[1])
    return Asked(question, span_line(tuple(row.figure(column) for column in columns), sheet.scale))


def difference(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for the change between two periods."""
    row, (old, new) = rng.choice(sheet.series), earlier_first(sheet.in_columns(rng, 2))
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
    return Asked(text.format(x=say(row, rng), a=old, b=new), number_line(program, sheet.scale))


def percent_change(sheet: Sheet, rng: random.Random) -> Asked | None:
    """Ask for the change in percent; None where the earlier figure is zero."""
    row, (old, new) = rng.choice(sheet.series), earlier_first(sheet.in_columns(rng, 2))
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
    return Asked(text.format(x=say(row, rng), a=old, b=new), number_line(program, Scale.PERCENT))


def average(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for the mean over periods."""
    row, count = rng.choice(sheet.series), rng.randint(2, min(4, len(sheet.columns)))
    columns = sheet.in_columns(rng, count)
    names = join_names(columns) if count == 2 or rng.random() < 0.6 else f"the years {min(columns)} to {max(columns)}"
    text = rng.choice(
        ("What is the average {x} for {c}?", "What was the average {x} in {c}?", "What is the average {x} over {c}?")
    )
    program = f"avg({','.join(row.figure(column) for column in columns)})"
    return Asked(text.format(x=say(row, rng).removeprefix("the "), c=names), number_line(program, sheet.scale))


def total(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for the sum over two periods."""
    row, columns = rng.choice(sheet.series), sheet.in_columns(rng, 2)
    text = rng.choice(
        ("What is the total {x} in {c}?", "What is the sum of {x} in {c}?", "What was the combined {x} for {c}?")
    )
    program = f"{row.figure(columns[0])}+{row.term(columns[1])}"
    return Asked(
        text.format(x=say(row, rng).removeprefix("the "), c=join_names(columns)), number_line(program, sheet.scale)
    )


def which_year(sheet: Sheet, rng: random.Random) -> Asked | None:
    """Ask in which period a row is highest or lowest; None where two are equal."""
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
    return Asked(text.format(x=say(row, rng), w=word), span_line((best,), Scale.NONE))


def count_years(sheet: Sheet, rng: random.Random) -> Asked | None:
    """Ask how many or which periods pass a round threshold; None where none does."""
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
        f"How many years did {say(row, rng)} {verb} {amount}?"
        if counted
        else f"In which year(s) was {say(row, rng)} {verb} {amount}?"
    )
    return Asked(question, count_line(years) if counted else span_line(years, Scale.NONE))


def average_change(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask how far the two-period average moved over three periods."""
    row, (first, second, third) = rng.choice(sheet.series), earlier_first(sheet.in_columns(rng, 3))
    name = say(row, rng).removeprefix("the ")
    question = f"What is the change between {first}-{second} and {second}-{third} average {name}?"
    program = f"avg({row.figure(second)},{row.figure(third)})-avg({row.figure(first)},{row.figure(second)})"
    return Asked(question, number_line(program, sheet.scale))


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
