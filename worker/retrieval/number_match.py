"""Whether a passage's figure stands behind an answer's: the same number, in another scale, or rounded; signs aside."""

from enum import StrEnum
from fractions import Fraction

from worker.retrieval.figures import FoundFigure, Unit
from worker.retrieval.passage_figures import PassageFigure

_MAX_ROUNDING_SHARE = Fraction(1, 10)


class Finding(StrEnum):
    """How a number of the answer was found; UNVERIFIED where it was not."""

    EXACT = "exact"
    SCALE_NOT_STATED = "scale not stated"
    RESCALED = "rescaled"
    ROUNDED = "rounded"
    COMPUTED = "computed"
    COUNTED = "counted"
    GIVEN = "given in the question"
    UNVERIFIED = "unverified"


# Which finding to prefer where several places hold a number.
PREFERENCE = {
    finding: number
    for number, finding in enumerate((Finding.EXACT, Finding.RESCALED, Finding.SCALE_NOT_STATED, Finding.ROUNDED))
}


def compare(figure: FoundFigure, printed: PassageFigure) -> Finding | None:
    """Return how the passage's figure stands behind the answer's, signs aside; None where it does not."""
    other = printed.figure
    if figure.unit is Unit.YEAR or other.unit is Unit.YEAR:
        return Finding.EXACT if figure.value == other.value and _may_be_year(figure, other) else None
    if figure.currency and other.currency and figure.currency != other.currency:
        return None
    if (is_share(figure) or printed.is_share) and (shares := _compare_shares(figure, printed)):
        return shares
    if is_share(figure) or other.unit in (Unit.PERCENT, Unit.BASIS_POINTS):
        return None
    if figure.power is None:
        # The answer leaves the scale out: it can only repeat what is printed, with the scale the passage gives.
        if abs(figure.value) == abs(other.value):
            return Finding.EXACT if not printed.powers or 0 in printed.powers else Finding.SCALE_NOT_STATED
        amounts = [abs(Fraction(other.value)), *(abs(Fraction(other.value)) * 10**power for power in printed.powers)]
        return next((found for amount in amounts if (found := _same_amount(figure, amount))), None)
    for power in printed.powers or {0}:
        amount = abs(Fraction(other.value)) * 10**power
        if power == figure.power and abs(figure.value) == abs(other.value):
            return Finding.EXACT
        if found := _same_amount(figure, amount):
            return found
    return None


def _compare_shares(figure: FoundFigure, printed: PassageFigure) -> Finding | None:
    """Compare percents, basis points and shares of one (0.125 for 12.5%)."""
    if figure.currency or printed.figure.currency or figure.power is not None or printed.figure.power is not None:
        return None
    if figure.unit is printed.figure.unit and abs(figure.value) == abs(printed.figure.value):
        return Finding.EXACT
    if is_share(figure) and printed.is_share:
        return _same_amount(figure, abs(printed.share_amount))
    if printed.is_share and figure.unit is Unit.PLAIN:
        if abs(figure.value) == abs(printed.figure.value):
            return Finding.SCALE_NOT_STATED
        found = _same_amount(figure, abs(printed.share_amount)) if figure.decimals >= 2 else None
        return Finding.RESCALED if found else None
    # The passage prints a share of one or leaves the percent sign to its column's head.
    if printed.figure.decimals >= 2 and abs(printed.figure.value) < 1:
        return _same_amount(figure, abs(Fraction(printed.figure.value)))
    return None


def _same_amount(figure: FoundFigure, amount: Fraction) -> Finding | None:
    """Return RESCALED or ROUNDED where the figure is the amount to the digits it gives."""
    wanted = abs(figure.amount)
    if wanted == amount:
        return Finding.RESCALED
    if amount == 0 or wanted == 0:
        return None
    difference = abs(wanted - amount)
    if difference > half_step(figure) or difference > _MAX_ROUNDING_SHARE * amount:
        return None
    return Finding.ROUNDED if figure.significant_digits > 1 or figure.decimals or figure.power else None


def half_step(figure: FoundFigure) -> Fraction:
    """Return half a unit of the figure's last digit; of its last counting digit where the text says `about`."""
    step = Fraction(1, 10**figure.decimals)
    if figure.unit is Unit.PERCENT:
        step /= 100
    elif figure.unit is Unit.BASIS_POINTS:
        step /= 10_000
    else:
        step *= 10 ** (figure.power or 0)
    if figure.about and not figure.decimals and figure.value:
        whole = str(abs(int(figure.value)))
        step *= 10 ** (len(whole) - len(whole.rstrip("0")))
    return step / 2


def is_share(figure: FoundFigure) -> bool:
    return figure.unit in (Unit.PERCENT, Unit.BASIS_POINTS)


def _may_be_year(figure: FoundFigure, other: FoundFigure) -> bool:
    """Return whether neither figure is money, percent or scaled: 2022 is never $2,022 or 2022%."""
    plain = (Unit.YEAR, Unit.PLAIN)
    return figure.unit in plain and other.unit in plain and figure.power is None and other.power is None
