"""Finds the numbers of executed programs where passages or the question print them."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from common.calculator import Calculation, Operand
from common.numbers import Scale
from worker.retrieval.figures import FoundFigure, Unit, find_figures
from worker.retrieval.passage_figures import PassageFigure, passage_figures

# Numbers of formulas, not of reports: days and months of a year, percent, unit changes, the counts of an average.
_CONSTANTS = frozenset(map(Fraction, (0, 1, 2, 3, 4, 5, 10, 12, 52, 100, 360, 365, 1_000, 1_000_000, 1_000_000_000)))
_RELATES = re.compile(r"[*/^a-z]")
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
        for operand in calculation.operands:
            if _is_constant(operand):
                checked.append(CheckedOperand(operand.text, True, None))
                continue
            place = self._operand_place(operand)
            checked.append(CheckedOperand(operand.text, place is not None, place))
        return tuple(checked)

    def places(self, calculation: Calculation) -> tuple[Place, ...]:
        """Return where the numbers of a program are printed, constants that happen to be printed among them."""
        places = (self._operand_place(operand) for operand in calculation.operands)
        return tuple(place for place in places if place is not None)

    def objection(self, computation: Computation) -> str | None:
        """Return why nothing stands behind a program's value, None where its numbers are all printed and fit."""
        operands = computation.calculation.operands
        figures = [operand for operand in operands if not _is_constant(operand)]
        missing = [operand.text for operand in figures if self._operand_place(operand) is None]
        if missing:
            return f"its program uses {', '.join(missing)}, which no passage holds"
        # Only a quotient makes percent of amounts.
        if computation.scale is Scale.PERCENT and not _RELATES.search(computation.calculation.program):
            amounts = self._printed_as(_is_amount, figures)
            if amounts:
                return f"its program makes percent by adding amounts alone: {', '.join(amounts)}"
        return self._mixture([operand for operand in figures if operand.is_compared])

    def _mixture(self, compared: Sequence[Operand]) -> str | None:
        amounts, shares = self._printed_as(_is_amount, compared), self._printed_as(_is_percentage, compared)
        if not amounts or not shares:
            return None
        return f"its program compares {amounts[0]}, an amount, with {shares[0]}, a percentage"

    def _operand_place(self, operand: Operand) -> Place | None:
        for number, printed in self._printed(operand):
            return self.place(number, printed)
        return Place(-1, "question", 0, 0, operand.text) if self._is_given(operand) else None

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
