"""Figures in running text and table rows, with what is said around them: scale, unit, sign, precision."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from common.numbers import CURRENCY_SIGNS
from common.tables import CELL_SEPARATOR

_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
)
# Atomic, so that no `3` is read of `3,75`: groups of three, of lakhs (1,23,456), European forms (1.234,56 and 3,75).
_DIGITS = (
    r"(?>\d{1,3}(?:\.\d{3})+,\d\d?(?!\d|[.,]\d)|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d\d)+,\d{3}(?!\d|,\d)"
    r"|\d{1,3},(?:\d\d(?!\d|[.,]\d)|\d(?=\s?%))|\d+(?:\.\d+)?|\.\d+)"
)
_DECIMAL_COMMA = re.compile(r"[\d.]+,\d\d?")
_FIGURE = re.compile(
    rf"""(?:(?<![\w.,/])|(?<=\bFY))(?P<open>\()?\s?(?P<minus>[-–−])?\s?
    (?P<currency>(?:US|A|C|HK)?[{CURRENCY_SIGNS}]|(?:RMB|USD|EUR|GBP)\s?)?\s?(?P<inner>\()?\s?(?P<late>[-–−])?
    (?P<digits>{_DIGITS})
    (?P<close>\s?\))?
    (?:(?P<percent>\s?%(?:\s?\))?|[-\s]?(?:percentage\s+points?|per\s?cent|percent|pct)\b)
      |(?P<points>\s?(?:basis\s+points?|bps)\b)
      |(?P<scale>[-\s]?(?:thousand|million|billion|trillion)s?\b|\s?(?:mn|bn|tn)\b|[kKmMbB]\b)
      |(?P<times>x\b))?
    (?P<end>\s?\))?""",
    re.VERBOSE | re.IGNORECASE,
)
# What stands before the dash of a range: close to it, or with white space on both of its sides.
_RANGE_START = re.compile(r"[\d%)]$")
_SPACED_RANGE_START = re.compile(
    r"(?:[\d%)]|\b(?:thousand|million|billion|trillion|percent|points|bps|mn|bn))\s*$", re.I
)
_BEFORE_LABEL = re.compile(
    r"(?:\b(?:note|notes|item|items|page|pages|section|rule|part|exhibit|step|figure|topic|asu|asc|article|form|no\.|footnote)\s*|#)$",
    re.I,
)
_BEFORE_DAY = re.compile(rf"\b(?:{_MONTHS})\.?\s*$", re.I)
_AFTER_DAY = re.compile(rf"^(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_MONTHS})\b", re.I)
_LIST_MARK = re.compile(r"(?:^|\n)\s*$")
_ABOUT = re.compile(
    r"\b(?:about|approximately|approx\.?|roughly|nearly|around|almost|over|more than|less than|some"
    r"|circa|ca\.|under)\s*(?:US)?\W?$",
    re.I,
)
_SCALES = {
    "thousand": 3,
    "k": 3,
    "million": 6,
    "mn": 6,
    "m": 6,
    "billion": 9,
    "bn": 9,
    "b": 9,
    "trillion": 12,
    "tn": 12,
}
_CURRENCIES = {"USD": "$", "US$": "$", "EUR": "€", "GBP": "£"}


class Unit(StrEnum):
    """What a figure counts."""

    PLAIN = "plain"
    MONEY = "money"
    PERCENT = "percent"
    BASIS_POINTS = "basis points"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class FoundFigure:
    """A figure at text[start:end]: `value` as printed with its sign, `power` the stated power of ten or None.

    `decimals` are the digits after the point; `about` tells that the text calls the figure approximate.
    """

    text: str
    start: int
    end: int
    value: Decimal
    decimals: int
    unit: Unit
    currency: str | None
    power: int | None
    about: bool

    @property
    def amount(self) -> Fraction:
        """Return the figure in single units of what it counts: money in its currency, percent as a share of one."""
        if self.unit is Unit.PERCENT:
            return Fraction(self.value) / 100
        if self.unit is Unit.BASIS_POINTS:
            return Fraction(self.value) / 10_000
        return Fraction(self.value) * Fraction(10) ** (self.power or 0)

    @property
    def significant_digits(self) -> int:
        """Return how many digits count, zeros at the end of a whole number left out."""
        digits = str(abs(self.value)).replace(".", "").lstrip("0")
        return len(digits) if self.decimals else len(digits.rstrip("0")) or 1


def find_figures(text: str) -> Iterator[FoundFigure]:
    """Yield the figures of a text in order; parts of names, dates, lists and references (10-K, Note 5, Q2) are none.

    A year is yielded with the unit YEAR. Brackets around a figure make it negative, as in statements.
    """
    for found in _FIGURE.finditer(text):
        figure = _figure(text, found)
        if figure is not None:
            yield figure


def _figure(text: str, found: re.Match[str]) -> FoundFigure | None:
    start, end = _extent(found)
    before, after = text[max(0, start - 40) : start], text[end : end + 20]
    if _is_label(text, found, before, after):
        return None
    number = _plain_number(found["digits"])
    decimals = len(number.partition(".")[2])
    unit = _unit(found, decimals)
    value = Decimal(number)
    if _is_negative(text, found, before, unit):
        value = -value
    return FoundFigure(
        text=text[start:end],
        start=start,
        end=end,
        value=value,
        decimals=decimals,
        unit=unit,
        currency=_currency(found),
        power=_power(found),
        about=bool(_ABOUT.search(before)),
    )


def _extent(found: re.Match[str]) -> tuple[int, int]:
    """Return the figure's place; a bracket that opens or closes something larger is left out."""
    start, end = found.span()
    opened = bool(found["open"]) + bool(found["inner"])
    closed = bool(found["close"]) + bool(found["end"]) + (found["percent"] or "").count(")")
    if opened and not closed:
        start = found.start("currency") if found["currency"] else found.start("digits")
    if closed and not opened:
        end = found.end("percent") if found["percent"] and ")" not in found["percent"] else found.end("digits")
        end = found.end("scale") if found["scale"] and not found["close"] else end
    while start < end and found.string[start].isspace():
        start += 1
    return start, end


def _is_label(text: str, found: re.Match[str], before: str, after: str) -> bool:
    bare = not (found["currency"] or found["percent"] or found["scale"] or found["points"])
    is_letter = bool(found["scale"]) and len(found["scale"]) == 1 and not found["currency"]
    if is_letter and ("." not in found["digits"] or after[:1] == "-"):
        return True  # 3M, 5B: names and marks
    if after[:1].isalpha() or (re.match(r"[-–]\s?[A-Za-z]|/\d", after) and bare):
        return True
    if re.search(r"[A-Za-z][-–]$", before) and found["minus"] is None and not found["currency"]:
        return True
    if found["minus"] and re.search(r"[A-Za-z]$", text[max(0, found.start("minus") - 1) : found.start("minus")]):
        return True  # COVID-19
    if not bare:
        return False
    if _BEFORE_LABEL.search(before):
        return True
    if len(found["digits"]) <= 2 and (_BEFORE_DAY.search(before) or _AFTER_DAY.match(after)):
        return True
    return bool(_LIST_MARK.search(before)) and len(found["digits"]) <= 2 and after[:2] in (". ", ") ", ".\n")


def _plain_number(digits: str) -> str:
    """Return the digits without separators of thousands, with a point before decimals."""
    if _DECIMAL_COMMA.fullmatch(digits):
        return digits.replace(".", "").replace(",", ".")
    return digits.replace(",", "")


def _is_negative(text: str, found: re.Match[str], before: str, unit: Unit) -> bool:
    opened = bool(found["open"] or found["inner"])
    closed = bool(found["close"] or found["end"] or ")" in (found["percent"] or ""))
    is_spaced = bool(found["minus"]) and text[found.end("minus")].isspace()
    if unit is Unit.YEAR and CELL_SEPARATOR not in text and not found["late"] and (opened or is_spaced):
        return False  # the merger (2017), Outlook - 2023
    if (opened and closed) or found["late"]:
        return True
    return bool(found["minus"]) and not _is_range(before, is_spaced)


def _is_range(before: str, is_spaced: bool) -> bool:
    """Return whether a dash joins two figures, so that it is no minus sign."""
    return bool(_RANGE_START.search(before) or (is_spaced and _SPACED_RANGE_START.search(before)))


def _unit(found: re.Match[str], decimals: int) -> Unit:
    if found["percent"]:
        return Unit.PERCENT
    if found["points"]:
        return Unit.BASIS_POINTS
    if found["currency"]:
        return Unit.MONEY
    digits = found["digits"]
    if len(digits) == 4 and not decimals and digits[:2] in ("19", "20") and not found["scale"] and not found["times"]:
        return Unit.YEAR
    return Unit.PLAIN


def _currency(found: re.Match[str]) -> str | None:
    sign = (found["currency"] or "").strip().upper()
    return _CURRENCIES.get(sign, sign) or None


def _power(found: re.Match[str]) -> int | None:
    word = (found["scale"] or "").strip(" -\t\n").lower()
    return _SCALES.get(word, _SCALES.get(word.removesuffix("s"))) if word else None
