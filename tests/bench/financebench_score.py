"""Whether an answer agrees with FinanceBench's published one: by its number, else by a rule for text.

Numbers: where the published answer is one figure, some figure of the answer must equal it, in any of the scales a
report may be counted in (FinanceBench asks for `$1577.00` in millions), with its sign, to the published digits or
within half a percent.
Text: where the published answer opens with yes or no, the answer must open with the same. Else, where its first
sentence holds figures other than years, the answer must hold one of them. Else half of that sentence's content words
must be in the answer.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction

from common.evidence import split_sentences
from common.numbers import Figure, Scale, parse_figure
from common.queries import Row, RowStatus
from common.relevance import content_words
from worker.retrieval.figures import FoundFigure, Unit, find_figures

_POWERS = (0, 3, 6, 9)
_NEAR = Fraction(1, 200)
_WORDS_SHARE = 0.5
_VERDICT = re.compile(r"^\W*(yes|no)\b", re.I)


class Outcome(StrEnum):
    """What became of a question."""

    CORRECT = "correct"
    WRONG = "wrong"
    REFUSED = "refused"
    FAILED = "failed"


class Rule(StrEnum):
    """By what an answer was judged."""

    NUMBER = "number"
    VERDICT = "yes or no"
    FIGURES = "figures of the text"
    WORDS = "words of the text"


def rule_for(published: str) -> Rule:
    """Return the rule that a published answer is judged by."""
    if parse_figure(published) is not None:
        return Rule.NUMBER
    if _VERDICT.match(published):
        return Rule.VERDICT
    return Rule.FIGURES if any(_figures(_first_sentence(published))) else Rule.WORDS


def outcome(published: str, row: Row) -> Outcome:
    """Return what became of a row."""
    if row.status is not RowStatus.SUCCEEDED or row.text is None:
        return Outcome.FAILED
    if row.kind == "not_found":
        return Outcome.REFUSED
    return Outcome.CORRECT if agrees(published, row.text) else Outcome.WRONG


def agrees(published: str, answer: str) -> bool:
    """Tell whether an answer's text agrees with the published one."""
    match rule_for(published):
        case Rule.NUMBER:
            wanted = parse_figure(published)
            return wanted is not None and any(_equals(wanted, figure) for figure in find_figures(answer))
        case Rule.VERDICT:
            return _verdict(published) == _verdict(answer)
        case Rule.FIGURES:
            given = list(_figures(answer))
            return any(_same(wanted, figure) for wanted in _figures(_first_sentence(published)) for figure in given)
        case Rule.WORDS:
            words = set(content_words(_first_sentence(published)))
            return len(words & set(content_words(answer))) >= _WORDS_SHARE * len(words)


def _equals(wanted: Figure, figure: FoundFigure) -> bool:
    if figure.unit is Unit.YEAR:
        return False
    step = Fraction(1, 2) * Fraction(10) ** min(0, int(wanted.value.as_tuple().exponent))
    if wanted.scale is Scale.PERCENT:
        # A share of one is as good as its percentage.
        shares = figure.amount if figure.unit is Unit.PERCENT else Fraction(figure.value)
        return _near(shares * 100, Fraction(wanted.value), step) or (
            figure.unit is Unit.PLAIN and _near(Fraction(figure.value), Fraction(wanted.value), step)
        )
    if wanted.scale is not Scale.NONE:
        return _near(figure.amount, wanted.amount, step * wanted.scale.multiplier)
    printed = Fraction(figure.value)
    amounts = (printed, *(figure.amount / 10**power for power in _POWERS))
    return any(_near(amount, Fraction(wanted.value), step) for amount in amounts)


def _same(wanted: FoundFigure, figure: FoundFigure) -> bool:
    """Tell whether two figures of texts are the same amount, signs aside: words say which way it went."""
    step = Fraction(1, 2 * 10**wanted.decimals)
    if wanted.unit is Unit.PERCENT or figure.unit is Unit.PERCENT:
        return wanted.unit is figure.unit and _near(abs(figure.amount), abs(wanted.amount), step / 100)
    if _near(abs(Fraction(figure.value)), abs(Fraction(wanted.value)), step):
        return True
    return _near(abs(figure.amount), abs(wanted.amount), step * 10 ** (wanted.power or 0))


def _near(value: Fraction, wanted: Fraction, step: Fraction) -> bool:
    return abs(value - wanted) <= max(step, _NEAR * abs(wanted))


def _figures(text: str) -> Iterator[FoundFigure]:
    return (figure for figure in find_figures(text) if figure.unit is not Unit.YEAR)


def _first_sentence(text: str) -> str:
    return next(iter(split_sentences(text)), "")


def _verdict(text: str) -> str | None:
    found = _VERDICT.match(text)
    return found[1].lower() if found else None
