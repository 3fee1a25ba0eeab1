"""Signs that words carry: `a decrease of 5%` says what a table prints as (5)%."""

import re

from common.tables import CELL_SEPARATOR
from worker.retrieval.figures import FoundFigure, Unit

_CHARS_BEFORE = 60
_CHARS_AFTER = 30
_FALL = re.compile(
    r"\b(?:decreas\w*|declin\w*|fell|fall\w*|drop\w*|down|lower\w*|reduc\w*|loss(?:es)?|lost|negative|shr[aiu]nk\w*|contract(?:ed|ion)"
    r"|outflows?|deficit|worsen\w*|weaker|unfavorable|used in)\b",
    re.I,
)
# Statements print these in brackets because they are taken off; prose names them without a sign.
_TAKEN_OFF = re.compile(
    r"\b(?:purchas\w*|expenditures?|expenses?|costs?|paid|payments?|repayments?|repurchas\w*|dividends?|additions?|acquisitions?"
    r"|provision|tax(?:es)?|depreciation|amortization|allowance|treasury|used|less|spending|distributions?|settlements?|retired)\b",
    re.I,
)
# These results are named by what is not yet taken off: a loss stands in brackets.
_RESULT_BEFORE = re.compile(
    r"\b(?:income|earnings|profit)(?:\s+from\s+(?:\w+\s+){1,2}\w+)?,?\s+before\b|\bEBIT(?:DA)?\b", re.I
)
# `$120 million (8%) to` and `ten (10) members`: the brackets explain what stands before them.
_EXPLAINED = re.compile(
    r"(?:\d|%|\b(?:thousand|million|billion|trillion|percent|one|two|three|four|five|six|seven|eight|nine|ten|eleven"
    r"|twelve|fifteen|twenty|thirty|sixty|ninety))\s*$",
    re.I,
)
_SENTENCE_GOES_ON = re.compile(r"[.,;:]|\s+[a-z]{2}")
# Labels such as `provided by (used in)` give each sign a meaning, so the sign must be told.
_TWO_SIDED = re.compile(
    r"\(\s*(?:used|decreases?|loss(?:es)?|expenses?|deductions?|benefits?|outflows?|gains?|income|increases?|deficit|charges?)\b|/\s*\(",
    re.I,
)


def says_fall(text: str, figure: FoundFigure) -> bool:
    """Return whether words beside the figure make it a fall, so that it may stand without its minus."""
    line_start = text.rfind("\n", 0, figure.start) + 1
    line_end = text.find("\n", figure.end)
    end = min(figure.end + _CHARS_AFTER, len(text) if line_end < 0 else line_end)
    return bool(_FALL.search(text[max(line_start, figure.start - _CHARS_BEFORE) : end]))


def sign_agrees(answer: str, figure: FoundFigure, passage: str, printed: FoundFigure) -> bool:
    """Return whether the answer's figure has the sign of the passage's, by a sign or by words beside it."""
    if figure.value == 0 or (figure.value < 0) == (printed.value < 0):
        return True
    if _is_explanation(answer, figure) or _is_explanation(passage, printed):
        return True
    label = _label(passage, printed)
    if figure.value > 0:
        is_taken_off = _TAKEN_OFF.search(label) and not (_TWO_SIDED.search(label) or _RESULT_BEFORE.search(label))
        return says_fall(answer, figure) or bool(is_taken_off)
    return bool(_FALL.search(label)) and not _TWO_SIDED.search(label)


def _is_explanation(text: str, figure: FoundFigure) -> bool:
    """Return whether a figure's brackets belong to a sentence and are no minus sign."""
    if not figure.text.startswith("(") or figure.unit is Unit.YEAR:
        return False
    line_start = text.rfind("\n", 0, figure.start) + 1
    before = text[line_start : figure.start]
    return (
        CELL_SEPARATOR.strip() not in before
        and _EXPLAINED.search(before) is not None
        and _SENTENCE_GOES_ON.match(text, figure.end) is not None
    )


def _label(passage: str, printed: FoundFigure) -> str:
    """Return what names the figure: a row's label, or the words before it in its line."""
    start = passage.rfind("\n", 0, printed.start) + 1
    before = passage[start : printed.start]
    label, border, _ = before.partition(CELL_SEPARATOR.rstrip())
    return label if border else before[-_CHARS_BEFORE:]
