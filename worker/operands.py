"""Finds the numbers of executed programs where passages or the question print them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from common.calculator import Calculation, Operand
from common.numbers import Scale
from worker.retrieval.citations import line_around
from worker.retrieval.figures import FoundFigure, Unit, find_figures
from worker.retrieval.passage_figures import PassageFigure, passage_figures

# Numbers of formulas, not of reports: days and months of a year, percent, unit changes, the counts of an average.
_CONSTANTS = frozenset(map(Fraction, (0, 1, 2, 3, 4, 5, 10, 12, 52, 100, 360, 365, 1_000, 1_000_000, 1_000_000_000)))
_WORDS = {
    Fraction(value): word
    for value, word in ((1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five"), (10, "ten"), (12, "twelve"))
}
_RELATES = re.compile(r"[/^]|\b(?:pct|share)\b")
_MULTIPLIES = re.compile(r"[*/^]|\b(?:pct|share)\b")
_POWERS = {Scale.THOUSAND: 3, Scale.MILLION: 6, Scale.BILLION: 9}
# Captions speak of money: share counts of the same table may be printed in another scale.
_OTHER_SCALES = re.compile(r"\b(?:unless|except (?:as|where|when)) (?:otherwise )?\w+", re.I)
_COUNTED_ROW = re.compile(r"\b(?:shares?|securities|dilut\w*|options?|awards?|units?|weighted)\b", re.I)
_GROUPED = re.compile(r"\d,\d{3}")


@dataclass(frozen=True, slots=True)
class Passage:
    """A cited text; `key` is the caller's own name for it, for example a document's address and page."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage holds a number: passages[passage].text[start:end] is `text`."""

    passage: int
    key: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Computation:
    """An executed program and the scale its value is in (percent: percentage points)."""

    calculation: Calculation
    scale: Scale


@dataclass(frozen=True, slots=True)
class CheckedOperand:
    """A number of a program; a formula's constant counts as found and has no place."""

    text: str
    found: bool
    place: Place | None


def check_operands(
    calculation: Calculation, passages: Sequence[Passage], question: str = ""
) -> tuple[CheckedOperand, ...]:
    """Find each number of an executed program in the passages or in the question."""
    return PrintedFigures(passages, question).operands(calculation)


class PrintedFigures:
    """The figures of passages and question: `all` with the passage's number, `given` those of the question."""

    def __init__(self, passages: Sequence[Passage], question: str) -> None:
        self._passages = passages
        self.given = list(find_figures(question))
        self.all = [
            (number, figure) for number, passage in enumerate(passages) for figure in passage_figures(passage.text)
        ]

    def place(self, number: int, printed: PassageFigure) -> Place:
        """Return where a passage's figure stands."""
        figure = printed.figure
        return Place(number, self._passages[number].key, figure.start, figure.end, figure.text)

    def operands(self, calculation: Calculation) -> tuple[CheckedOperand, ...]:
        """Return each number of a program with its place."""
        checked = []
        sought = _figures(calculation)
        for operand in calculation.operands:
            if operand not in sought:
                checked.append(CheckedOperand(operand.text, True, None))
                continue
            place = self._operand_place(operand) or self._spelled(operand)
            checked.append(CheckedOperand(operand.text, place is not None, place))
        return tuple(checked)

    def places(self, calculation: Calculation) -> tuple[Place, ...]:
        """Return where the numbers of a program are printed, constants that happen to be printed among them."""
        places = (self._operand_place(operand) for operand in calculation.operands)
        return tuple(place for place in places if place is not None)

    def objection(self, computation: Computation) -> str | None:
        """Return why nothing stands behind a program's value, None where its numbers are all printed and fit."""
        figures = _figures(computation.calculation)
        missing = [operand.text for operand in figures if not (self._operand_place(operand) or self._spelled(operand))]
        if missing:
            return f"its program uses {', '.join(missing)}, which no passage holds"
        # Only a quotient makes percent of amounts.
        if computation.scale is Scale.PERCENT and not _RELATES.search(computation.calculation.program):
            amounts = self._printed_as(_is_amount, figures)
            if amounts:
                return f"its program makes percent by adding amounts alone: {', '.join(amounts)}"
        mixture = self._mixture([operand for operand in figures if operand.is_compared])
        return mixture or self._other_scale(computation, figures)

    def _other_scale(self, computation: Computation, figures: Sequence[Operand]) -> str | None:
        """Return how sums, differences and comparisons contradict the scales of their amounts, where these are sure."""
        if _MULTIPLIES.search(computation.calculation.program):
            return None
        known = [(operand.text, powers) for operand in figures if (powers := self._sure_powers(operand))]
        if known and not frozenset.intersection(*(powers for _, powers in known)):
            return f"its program mixes scales: {', '.join(text for text, _ in known)}"
        wanted = _POWERS.get(computation.scale)
        wrong = [text for text, powers in known if wanted is not None and wanted not in powers]
        return f"the passages print {', '.join(wrong)} in another scale than {computation.scale}" if wrong else None

    def _sure_powers(self, operand: Operand) -> frozenset[int]:
        """Return the powers of ten the operand may count, none where a place leaves its scale open."""
        if self._is_given(operand):
            return frozenset()
        powers: set[int] = set()
        for number, printed in self._printed(operand):
            if not self._is_scale_sure(number, printed):
                return frozenset()
            amounts = {abs(Fraction(printed.figure.value)) * 10**power for power in printed.powers}
            powers |= {power for power in (0, 3, 6, 9, 12) if abs(operand.value) * 10**power in amounts}
        return frozenset(powers)

    def _is_scale_sure(self, number: int, printed: PassageFigure) -> bool:
        """Return whether a figure states its scale, or stands in a passage whose captions name one for all amounts."""
        if printed.figure.power is not None:
            return True
        text = self._passages[number].text
        captions = {
            power
            for at, other in self.all
            if at == number and other.figure.power is None
            for power in other.powers
            if power
        }
        if 0 in printed.powers or len(captions) != 1 or _OTHER_SCALES.search(text):
            return False
        start, end = line_around(text, printed.figure.start, printed.figure.end)
        return _COUNTED_ROW.search(text, start, end) is None

    def _mixture(self, compared: Sequence[Operand]) -> str | None:
        amounts, shares = self._printed_as(_is_amount, compared), self._printed_as(_is_percentage, compared)
        if not amounts or not shares:
            return None
        return f"its program compares {amounts[0]}, an amount, with {shares[0]}, a percentage"

    def _operand_place(self, operand: Operand) -> Place | None:
        for number, printed in self._printed(operand):
            return self.place(number, printed)
        return Place(-1, "question", 0, 0, operand.text) if self._is_given(operand) else None

    def _spelled(self, operand: Operand) -> Place | None:
        """Return where a passage has a constant as a word: `Four injuries, one fewer than in the year before`."""
        word = None if operand.is_compared else _WORDS.get(operand.value)
        for number, passage in enumerate(self._passages if word else ()):
            if found := re.search(rf"\b{word}\b", passage.text, re.I):
                return Place(number, passage.key, found.start(), found.end(), found[0])
        return None

    def _printed_as(self, form: Callable[[FoundFigure], bool], operands: Sequence[Operand]) -> list[str]:
        """Return the operands that passages print in this form wherever they print them, and no question gives."""
        return [
            operand.text
            for operand in operands
            if (printed := [figure.figure for _, figure in self._printed(operand)])
            and all(map(form, printed))
            and not self._is_given(operand)
        ]

    def _is_given(self, operand: Operand) -> bool:
        amounts = (figure for figure in self.given if figure.unit is not Unit.YEAR)
        return any(abs(operand.value) == abs(Fraction(figure.value)) for figure in amounts)

    def _printed(self, operand: Operand) -> Iterator[tuple[int, PassageFigure]]:
        """Yield where an operand is printed; programs drop signs and commas, and may change the scale.

        A year on the page is the name of a column and stands behind no operand.
        """
        for number, printed in self.all:
            if printed.figure.unit is Unit.YEAR:
                continue
            values = {abs(Fraction(printed.figure.value)), abs(printed.figure.amount)}
            if abs(operand.value) in values or _same_in_other_scale(operand.value, printed):
                yield number, printed


def objection_to(computation: Computation, passages: Sequence[Passage], question: str = "") -> str | None:
    """Return why nothing stands behind a program's value or comparison, None where its numbers fit."""
    return PrintedFigures(passages, question).objection(computation)


def _figures(calculation: Calculation) -> list[Operand]:
    """Return the numbers that must be printed: all but a formula's constants, which make no answer by themselves."""
    figures = [operand for operand in calculation.operands if not _is_constant(operand)]
    return figures or list(calculation.operands)


def _is_amount(figure: FoundFigure) -> bool:
    """Tell whether a figure is money, or has no unit and commas between thousands."""
    return figure.unit is Unit.MONEY or (figure.unit is Unit.PLAIN and _GROUPED.search(figure.text) is not None)


def _is_percentage(figure: FoundFigure) -> bool:
    return figure.text.endswith("%")


def _is_constant(operand: Operand) -> bool:
    return operand.value in _CONSTANTS and not operand.is_compared


def _same_in_other_scale(value: Fraction, printed: PassageFigure) -> bool:
    amounts = {abs(Fraction(printed.figure.value)) * 10**power for power in printed.powers if power}
    return any(abs(value) * 10**power in amounts for power in (3, 6, 9))
