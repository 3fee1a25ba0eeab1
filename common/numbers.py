"""Figures as reports print them: signs, currencies, percent, scales; exact arithmetic types, no floats."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from fractions import Fraction

CURRENCY_SIGNS = "$£€¥"
DASHES = "-–—−"
_MAX_FIGURE_CHARS = 64
_MAX_EXACT_DECIMALS = 20
# Thousands and lakhs (1,23,456) are grouped by commas; before two digits alone, 3,75, a comma is a decimal one.
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d\d)+,\d{3}(?:\.\d+)?|\d{1,3},\d\d|\d+(?:\.\d+)?|\.\d+"
_DECIMAL_COMMA = re.compile(r"(?<![\d,])\d{1,3},\d\d(?![\d,])")
_FIGURE = re.compile(
    rf"""^(?P<open>\()?\s*
    (?P<minus>[{DASHES}])?\s*
    (?P<currency>(?:US|A|C|AU|CA|NZ|HK|S)?[{CURRENCY_SIGNS}]|RMB|USD|EUR|GBP)?\s*
    (?P<inner_open>\()?\s*(?P<inner_minus>[{DASHES}])?\s*
    (?P<digits>{_DIGITS})\s*
    (?P<percent>%)?\s*(?P<inner_close>\))?\s*(?P<late_percent>%)?\s*(?P<close>\))?
    (?:\s*(?P<scale>thousand|million|billion|percent|k|m|mn|bn|b)s?)?$""",
    re.VERBOSE | re.IGNORECASE,
)


class Scale(StrEnum):
    """The unit a figure is counted in; the values are TAT-QA's words, with `none` for its empty string."""

    NONE = "none"
    THOUSAND = "thousand"
    MILLION = "million"
    BILLION = "billion"
    PERCENT = "percent"

    @property
    def multiplier(self) -> Fraction:
        """Return what one unit of this scale is worth."""
        return _MULTIPLIERS[self]


_MULTIPLIERS = {
    Scale.NONE: Fraction(1),
    Scale.THOUSAND: Fraction(10**3),
    Scale.MILLION: Fraction(10**6),
    Scale.BILLION: Fraction(10**9),
    Scale.PERCENT: Fraction(1, 100),
}
_SCALE_WORDS = {
    "thousand": Scale.THOUSAND,
    "k": Scale.THOUSAND,
    "million": Scale.MILLION,
    "m": Scale.MILLION,
    "mn": Scale.MILLION,
    "billion": Scale.BILLION,
    "bn": Scale.BILLION,
    "b": Scale.BILLION,
    "percent": Scale.PERCENT,
}
_SCALE_MENTIONS = (
    (
        Scale.THOUSAND,
        re.compile(
            rf"\bthousands?\b|['’‘]\s?000s?\b|\b000s\b|[{CURRENCY_SIGNS}]\s?000\b|\b000['’]?s\b|\b000\s?omitted|\(1,000\)",
            re.I,
        ),
    ),
    (
        Scale.MILLION,
        re.compile(
            rf"\bmillions?\b|[{CURRENCY_SIGNS}]\s?(?:m|mn|million|mil)\b|\b(?:EUR|USD|GBP|RMB) ?(?:m|mn)\b|\bmm\b", re.I
        ),
    ),
    (Scale.BILLION, re.compile(rf"\bbillions?\b|[{CURRENCY_SIGNS}]\s?bn\b|\bbn\b", re.I)),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed figure: `value` as printed with its sign (not multiplied by `scale`, percent not divided)."""

    value: Decimal
    currency: str | None
    scale: Scale

    @property
    def amount(self) -> Fraction:
        """Return the value in single units: 1.5 million is 1,500,000 and 5% is 1/20."""
        return Fraction(self.value) * self.scale.multiplier


def parse_figure(text: str) -> Figure | None:
    """Read one figure such as `$(1,234.5)`, `12.5%`, `-3` or `€4.4 million`; None where the text is anything else.

    Brackets around a figure mean a negative one, as in financial statements. The comma of `3,75` is a decimal one.
    """
    text = text.strip()
    if not text or len(text) > _MAX_FIGURE_CHARS:
        return None
    # The pattern tries every way to share out a run of spaces.
    found = _FIGURE.match(" ".join(text.split()))
    if found is None:
        return None
    opened = bool(found["open"]) + bool(found["inner_open"])
    closed = bool(found["close"]) + bool(found["inner_close"])
    if opened > 1 or closed > opened:
        return None
    negative = bool(opened) != bool(found["minus"] or found["inner_minus"])
    value = Decimal(found["digits"].replace(",", "." if has_decimal_comma(found["digits"]) else ""))
    percent = found["percent"] or found["late_percent"]
    scale = Scale.PERCENT if percent else _SCALE_WORDS.get((found["scale"] or "").lower(), Scale.NONE)
    return Figure(-value if negative else value, found["currency"], scale)


def has_decimal_comma(text: str) -> bool:
    """Return whether a figure's comma stands before two digits alone, as in `3,75`, where it groups no thousands."""
    return _DECIMAL_COMMA.search(text) is not None


def compact_figure(text: str) -> str | None:
    """Return a table cell's figure in the form programs use: no currency, no thousands commas, minus for brackets.

    `$(1,234)` becomes `-1234`, `6.1 %` becomes `6.1%`, a lone dash becomes `0`; None where the cell is no figure.
    """
    bare = text.strip().lstrip(CURRENCY_SIGNS).strip()
    if bare and all(sign in DASHES for sign in bare):
        return "0"
    figure = parse_figure(text)
    if figure is None or figure.scale not in (Scale.NONE, Scale.PERCENT):
        return None
    return plain_decimal(figure.value) + ("%" if figure.scale is Scale.PERCENT else "")


def plain_decimal(value: Decimal) -> str:
    """Return the value in plain notation, with the digits after the point as given and no exponent."""
    return f"{value:f}"


def exact_text(value: Fraction) -> str:
    """Return the value as a decimal where it has one that ends, else as a fraction in lowest terms: `20.5`, `2/3`."""
    rest = value.denominator
    digits = 0
    for prime in (2, 5):
        power = 0
        while rest % prime == 0:
            rest //= prime
            power += 1
        digits = max(digits, power)
    if rest != 1 or digits > _MAX_EXACT_DECIMALS:
        return str(value)
    whole = value.numerator * 10**digits // value.denominator
    return plain_decimal(Decimal(whole).scaleb(-digits, Context(prec=len(str(whole)) + 1)))


def round_half_up(value: Fraction, decimals: int) -> Decimal:
    """Return `value` rounded half away from zero to `decimals` digits after the point (0 or more)."""
    shifted = abs(value) * 10**decimals
    whole, rest = divmod(shifted.numerator, shifted.denominator)
    if 2 * rest >= shifted.denominator:
        whole += 1
    rounded = Decimal(whole).scaleb(-decimals)
    return -rounded if value < 0 and whole else rounded


def format_figure(value: Fraction, scale: Scale, decimals: int = 2) -> str:
    """Return a figure for people: `-1,234.5 million`, `12.5%`; trailing zeros after the point are left out."""
    rounded = round_half_up(value, decimals).quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
    text = f"{rounded:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if scale is Scale.PERCENT:
        return f"{text}%"
    return text if scale is Scale.NONE else f"{text} {scale}"


def mentioned_scales(text: str) -> frozenset[Scale]:
    """Return the scales a caption, header or sentence speaks of: `(in thousands)`, `$'000`, `€m`, `US$ millions`."""
    return frozenset(scale for scale, pattern in _SCALE_MENTIONS if pattern.search(text))
