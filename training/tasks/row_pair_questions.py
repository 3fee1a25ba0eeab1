"""Questions about two rows of a statement in one period: sum, difference, share, ratio."""

import random
from decimal import Decimal

from common.answers import number_line
from common.numbers import Scale
from training.tasks.statement_sheet import Asked, Sheet, say


def rows_total(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for the sum of two rows."""
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    text = rng.choice(
        (
            "What is the sum of {x} and {y} in {c}?",
            "What is the total of {x} and {y} in {c}?",
            "How much were {x} and {y} together in {c}?",
        )
    )
    program = f"{one.figure(column)}+{other.term(column)}"
    return Asked(text.format(x=say(one, rng), y=say(other, rng), c=column), number_line(program, sheet.scale))


def rows_difference(sheet: Sheet, rng: random.Random) -> Asked:
    """Ask for the difference of two rows."""
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    text = rng.choice(
        ("What is the difference between {x} and {y} in {c}?", "What was the difference in {c} between {x} and {y}?")
    )
    program = f"{one.figure(column)}-{other.term(column)}"
    return Asked(text.format(x=say(one, rng), y=say(other, rng), c=column), number_line(program, sheet.scale))


def share(sheet: Sheet, rng: random.Random) -> Asked | None:
    """Ask for one row in percent of another; None where that is zero."""
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
    return Asked(text.format(x=say(one, rng), y=say(other, rng), c=column), number_line(program, Scale.PERCENT))


def ratio(sheet: Sheet, rng: random.Random) -> Asked | None:
    """Ask for one row over another; None where that is zero."""
    (one, other), column = rng.sample(sheet.series, 2), rng.choice(sheet.columns)
    if Decimal(other.figure(column)) == 0:
        return None
    text = rng.choice(("What is the ratio of {x} to {y} in {c}?", "In {c}, what was the ratio of {x} to {y}?"))
    program = f"{one.figure(column)}/{other.term(column)}"
    return Asked(text.format(x=say(one, rng), y=say(other, rng), c=column), number_line(program, Scale.NONE))
