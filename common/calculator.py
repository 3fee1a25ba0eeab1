"""Runs the short programs the model writes instead of doing mental arithmetic; a small grammar, no eval.

    program    := expression [("<" | ">") expression]
    expression := term (("+" | "-") term)*
    term       := factor (("*" | "/") factor)*
    factor     := "-" factor | atom ["^" factor]
    atom       := NUMBER ["%"] | "(" expression ")" | NAME "(" expression ("," expression)* ")"

Numbers carry no thousands commas; `5%` is 1/20. Functions: avg, sum, min, max, abs, pct(new, old) = 100·(new-old)/old,
share(part, whole) = 100·part/whole. Arithmetic is exact (fractions): a result never depends on the order of operations.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from common.errors import EngineError

MAX_PROGRAM_CHARS = 600
MAX_DEPTH = 12
MAX_OPERANDS = 64
MAX_MAGNITUDE = Fraction(10) ** 24
MAX_EXPONENT = 32
_MAX_NUMBER_CHARS = 24
# A number takes two with its sign or its `%`.
_NUMBER_TOKENS = 2
# Exact fractions grow with every power: without a bound a short program could ask for gigabytes.
_MAX_DENOMINATOR_BITS = 8192

_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<name>[a-z]+)|(?P<sign>[-+*/^(),%<>]))")


class ProgramError(EngineError):
    """A program is outside the grammar, over a limit, or has no value (division by zero)."""

    code: ClassVar[str] = "invalid_program"


@dataclass(frozen=True, slots=True)
class Operand:
    """A number of the program as written, with its value (`5%` is 1/20).

    `is_compared` where it is by itself what pct or share puts in relation: a figure, never a formula's constant.
    """

    text: str
    value: Fraction
    is_compared: bool = False


@dataclass(frozen=True, slots=True)
class Calculation:
    """What a program gave: a number, or for a comparison `truth` with `value` None."""

    program: str
    value: Fraction | None
    truth: bool | None
    operands: tuple[Operand, ...]


def calculate(program: str) -> Calculation:
    """Execute a program; raises ProgramError with what is wrong and where."""
    if len(program) > MAX_PROGRAM_CHARS:
        raise ProgramError(f"The program has {len(program)} characters; the limit is {MAX_PROGRAM_CHARS}.")
    return _Run(program).program()


def _ratio(top: Fraction, bottom: Fraction) -> Fraction:
    if bottom == 0:
        raise ProgramError(f"The program divides {float(top):g} by zero.")
    return top / bottom


def _pct(arguments: Sequence[Fraction]) -> Fraction:
    new, old = arguments
    return 100 * _ratio(new - old, old)


def _share(arguments: Sequence[Fraction]) -> Fraction:
    part, whole = arguments
    return 100 * _ratio(part, whole)


def _average(arguments: Sequence[Fraction]) -> Fraction:
    return sum(arguments, Fraction(0)) / len(arguments)


def _sum(arguments: Sequence[Fraction]) -> Fraction:
    return sum(arguments, Fraction(0))


def _absolute(arguments: Sequence[Fraction]) -> Fraction:
    return abs(arguments[0])


# name: (function, exact number of arguments or None for one and more)
_FUNCTIONS: dict[str, tuple[Callable[[Sequence[Fraction]], Fraction], int | None]] = {
    "abs": (_absolute, 1),
    "avg": (_average, None),
    "max": (max, None),
    "min": (min, None),
    "pct": (_pct, 2),
    "share": (_share, 2),
    "sum": (_sum, None),
}
FUNCTION_NAMES = frozenset(_FUNCTIONS)
_COMPARING = frozenset({"pct", "share"})


class _Run:
    """One pass over one program: recursive descent that evaluates as it parses."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._tokens = _tokenize(self._text)
        self._at = 0
        self._operands: list[Operand] = []

    def program(self) -> Calculation:
        left = self._expression(0)
        sign = self._accept("<", ">")
        if sign is None:
            self._end()
            return Calculation(self._text, left, None, tuple(self._operands))
        right = self._expression(0)
        self._end()
        truth = left > right if sign == ">" else left < right
        return Calculation(self._text, None, truth, tuple(self._operands))

    def _expression(self, depth: int) -> Fraction:
        value = self._term(depth)
        while sign := self._accept("+", "-"):
            right = self._term(depth)
            value = self._bounded(value + right if sign == "+" else value - right)
        return value

    def _term(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while sign := self._accept("*", "/"):
            right = self._factor(depth)
            value = self._bounded(value * right if sign == "*" else _ratio(value, right))
        return value

    def _factor(self, depth: int) -> Fraction:
        if depth > MAX_DEPTH:
            raise ProgramError(f"The program nests deeper than {MAX_DEPTH} levels.")
        if self._accept("-"):
            return -self._factor(depth + 1)
        base = self._atom(depth)
        if self._accept("^"):
            return self._power(base, self._factor(depth + 1))
        return base

    def _atom(self, depth: int) -> Fraction:
        kind, text = self._next()
        if kind == "number":
            return self._number(text)
        if kind == "name":
            return self._call(text, depth)
        if text == "(":
            value = self._expression(depth + 1)
            self._expect(")")
            return value
        raise ProgramError(f"'{text}' stands where a number is expected in '{self._text}'.")

    def _number(self, text: str) -> Fraction:
        if len(text) > _MAX_NUMBER_CHARS:
            raise ProgramError(f"The number '{text[:40]}' has more than {_MAX_NUMBER_CHARS} digits.")
        if len(self._operands) == MAX_OPERANDS:
            raise ProgramError(f"The program has more than {MAX_OPERANDS} numbers.")
        value = self._bounded(Fraction(text))
        if self._accept("%"):
            text, value = f"{text}%", value / 100
        self._operands.append(Operand(text, value))
        return value

    def _call(self, name: str, depth: int) -> Fraction:
        if name not in _FUNCTIONS:
            raise ProgramError(f"'{name}' is no function; known are {', '.join(sorted(_FUNCTIONS))}.")
        function, count = _FUNCTIONS[name]
        self._expect("(")
        arguments = [self._argument(name, depth)]
        while self._accept(","):
            arguments.append(self._argument(name, depth))
        self._expect(")")
        if count is not None and len(arguments) != count:
            raise ProgramError(f"{name} takes {count} numbers and was given {len(arguments)}.")
        return self._bounded(function(arguments))

    def _argument(self, name: str, depth: int) -> Fraction:
        first = len(self._operands)
        start = self._at
        value = self._expression(depth + 1)
        is_one_number = len(self._operands) == first + 1 and self._at - start <= _NUMBER_TOKENS
        if name in _COMPARING and is_one_number:
            self._operands[first] = replace(self._operands[first], is_compared=True)
        return value

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT:
            raise ProgramError(f"An exponent must be a whole number of at most {MAX_EXPONENT}.")
        if base == 0 and exponent < 0:
            raise ProgramError("The program divides by zero.")
        return self._bounded(base ** int(exponent))

    def _bounded(self, value: Fraction) -> Fraction:
        if abs(value) > MAX_MAGNITUDE:
            raise ProgramError("A value of the program is larger than 10^24.")
        if value.denominator.bit_length() > _MAX_DENOMINATOR_BITS:
            raise ProgramError("A value of the program needs too many digits after the point.")
        return value

    def _accept(self, *signs: str) -> str | None:
        if self._at == len(self._tokens):
            return None
        kind, text = self._tokens[self._at]
        if kind != "sign" or text not in signs:
            return None
        self._at += 1
        return text

    def _expect(self, sign: str) -> None:
        if self._accept(sign) is None:
            raise ProgramError(f"A '{sign}' is missing in '{self._text}'.")

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise ProgramError(f"The program '{self._text}' ends too early.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _end(self) -> None:
        if self._at != len(self._tokens):
            raise ProgramError(f"'{self._tokens[self._at][1]}' is left over in '{self._text}'.")


def _tokenize(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ProgramError(f"'{text[at]}' at position {at} is not part of the program grammar.")
        kind = found.lastgroup
        assert kind is not None  # noqa: S101 - every alternative is a named group
        tokens.append((kind, found[kind]))
        at = found.end()
    return tokens
