"""Checks every number of an answer against the passages it cites and the programs it was computed by.

A number counts as found where a passage prints it: the same value in the same unit, the same amount in another scale,
or the amount rounded to the digits the answer gives. It counts as computed where it is an executed program's result and
each of the program's operands is found (worker/operands.py). Everything else is unverified.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.numbers import Scale, parse_figure
from worker.operands import Computation, Passage, Place, PrintedFigures
from worker.retrieval.citations import find_words
from worker.retrieval.figures import FoundFigure, Unit, find_figures
from worker.retrieval.number_match import PREFERENCE, Finding, compare, half_step, is_share
from worker.retrieval.sign_words import says_fall, sign_agrees


class GroundingStatus(StrEnum):
    """What an answer's numbers come to together."""

    VERIFIED = "verified"
    PARTLY = "partly verified"
    UNVERIFIED = "unverified"
    NO_NUMBERS = "no numbers"


@dataclass(frozen=True, slots=True)
class CheckedNumber:
    """A number at answer[start:end], how it was found and where; a computed one has a place for each operand found."""

    text: str
    start: int
    end: int
    finding: Finding
    places: tuple[Place, ...] = ()
    program: str | None = None
    reason: str | None = None

    @property
    def is_verified(self) -> bool:
        """Return whether the number was found or computed."""
        return self.finding is not Finding.UNVERIFIED


@dataclass(frozen=True, slots=True)
class Grounding:
    """The check of a whole answer."""

    status: GroundingStatus
    numbers: tuple[CheckedNumber, ...]

    @property
    def unverified(self) -> tuple[CheckedNumber, ...]:
        """Return the numbers nothing stands behind."""
        return tuple(number for number in self.numbers if not number.is_verified)


def check_numbers(
    answer: str,
    passages: Sequence[Passage],
    *,
    question: str = "",
    computations: Sequence[Computation] = (),
    items: Sequence[str] = (),
) -> Grounding:
    """Check each number of the answer; `items` are the spans a counting answer counted. Pure and deterministic."""
    check = _Check(answer, passages, question, computations, items)
    numbers = tuple(check.number(figure) for figure in find_figures(answer))
    verified = sum(number.is_verified for number in numbers)
    if not numbers:
        return Grounding(GroundingStatus.NO_NUMBERS, numbers)
    if verified == len(numbers):
        return Grounding(GroundingStatus.VERIFIED, numbers)
    return Grounding(GroundingStatus.PARTLY if verified else GroundingStatus.UNVERIFIED, numbers)


class _Check:
    def __init__(
        self,
        answer: str,
        passages: Sequence[Passage],
        question: str,
        computations: Sequence[Computation],
        items: Sequence[str],
    ) -> None:
        self._answer = answer
        self._passages = passages
        self._computations = computations
        self._items = items
        self._printed = PrintedFigures(passages, question)

    def number(self, figure: FoundFigure) -> CheckedNumber:
        best: tuple[Finding, tuple[Place, ...]] | None = None
        wrong_sign = False
        for number, printed in self._printed.all:
            finding = compare(figure, printed)
            if finding is None or (best is not None and PREFERENCE[finding] >= PREFERENCE[best[0]]):
                continue
            if not sign_agrees(self._answer, figure, self._passages[number].text, printed.figure):
                wrong_sign = True
                continue
            best = finding, (self._printed.place(number, printed),)
        computed = None if best and best[0] is Finding.EXACT else self._computed(figure)
        if computed is not None:
            return computed
        if best is not None:
            return _checked(figure, best[0], best[1])
        if self._is_given(figure):
            return _checked(figure, Finding.GIVEN)
        if self._is_count(figure):
            return _checked(figure, Finding.COUNTED)
        reason = "the passages print it with the other sign" if wrong_sign else self._objection(figure)
        return _checked(figure, Finding.UNVERIFIED, reason=reason or "no passage holds it and no program gives it")

    def _computed(self, figure: FoundFigure) -> CheckedNumber | None:
        for computation in self._computations:
            if not _is_result(self._answer, figure, computation) or self._printed.objection(computation):
                continue
            return CheckedNumber(
                figure.text,
                figure.start,
                figure.end,
                Finding.COMPUTED,
                self._printed.places(computation.calculation),
                computation.calculation.program,
            )
        return None

    def _objection(self, figure: FoundFigure) -> str | None:
        for computation in self._computations:
            if _is_result(self._answer, figure, computation):
                return self._printed.objection(computation)
        return None

    def _is_given(self, figure: FoundFigure) -> bool:
        return any(_same_value(figure, given) and figure.power == given.power for given in self._printed.given)

    def _is_count(self, figure: FoundFigure) -> bool:
        if figure.unit is not Unit.PLAIN or figure.value != len(self._items) or not self._items:
            return False
        words = [item for item in self._items if parse_figure(item) is None]
        return len(set(words)) == len(words) and all(map(self._holds, self._items))

    def _holds(self, item: str) -> bool:
        if any(find_words(passage.text, item) for passage in self._passages):
            return True
        # Compact tables drop commas and brackets of figures.
        figure = parse_figure(item)
        return figure is not None and any(
            abs(figure.value) == abs(printed.figure.value) for _, printed in self._printed.all
        )


def _checked(
    figure: FoundFigure, finding: Finding, places: tuple[Place, ...] = (), reason: str | None = None
) -> CheckedNumber:
    return CheckedNumber(figure.text, figure.start, figure.end, finding, places, reason=reason)


def _is_result(answer: str, figure: FoundFigure, computation: Computation) -> bool:
    value = computation.calculation.value
    if value is None or figure.unit is Unit.YEAR:
        return False
    percent = computation.scale is Scale.PERCENT
    if percent != is_share(figure) and figure.unit is not Unit.PLAIN:
        return False
    stated = value * computation.scale.multiplier
    amounts = [stated] if is_share(figure) or figure.power is not None else [value, stated]
    if not any(abs(abs(figure.amount) - abs(amount)) <= half_step(figure) for amount in amounts):
        return False
    # `Fell by 5` gives a program's -5 its sign in words.
    same_sign = figure.value == 0 or value == 0 or (figure.value < 0) == (value < 0)
    return same_sign or (value < 0 and says_fall(answer, figure))


def _same_value(figure: FoundFigure, other: FoundFigure) -> bool:
    return figure.value == other.value and is_share(figure) == is_share(other)
