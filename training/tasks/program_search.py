"""Finds a program for a question whose answer is known but whose derivation is lost, verified by execution."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, permutations

from common.evidence import Document
from common.numbers import Scale
from common.relevance import content_words
from common.tables import Table, compact_cell, is_value
from training.tasks.derivations import matches

_AVERAGE = re.compile(r"\baverage|\bmean\b", re.I)
_TOTAL = re.compile(r"\btotal|\bsum\b|\bcombined|\bnet\b|\baltogether", re.I)
_CHANGE = re.compile(
    r"\bchange|\bincrease|\bdecrease|\bdifference|\bgrowth|\bgrow|\bdecline|\bvary|\bhigher|\blower", re.I
)
_RATIO = re.compile(r"\bratio|\bproportion|\bpercent|\bshare\b|\bper\b|\bconstitute|%", re.I)
_MAX_TERMS = 5


@dataclass(frozen=True, slots=True)
class _Figure:
    text: str
    row: int
    column: int


def search_program(question: str, answer: Fraction, scale: Scale, document: Document) -> str | None:
    """Return the program over table figures that gives the answer and fits the question's wording best, or None.

    Figures of the rows that the question names are tried first; a match among the others is taken only where it is
    the single one, since a wrong program can hit the right number by chance.
    """
    named: list[str] = []
    others: list[str] = []
    for table in document.tables:
        wanted = set(content_words(question))
        figures = list(_figures(table))
        near = [figure for figure in figures if _is_named(figure, table, wanted)]
        named += [program for program in _programs(question, scale, near) if matches(program, answer, exact=True)]
        others += [program for program in _programs(question, scale, figures) if matches(program, answer, exact=True)]
    if named:
        return named[0]
    return others[0] if len(set(others)) == 1 else None


def _figures(table: Table) -> Iterator[_Figure]:
    for number, row in enumerate(table.rows):
        for column, cell in enumerate(row.cells):
            if is_value(cell):
                yield _Figure(compact_cell(cell).rstrip("%"), number, column)


def _is_named(figure: _Figure, table: Table, wanted: set[str]) -> bool:
    label = content_words(table.rows[figure.row].label)
    return bool(label) and len(wanted.intersection(label)) * 2 >= len(label)


def _programs(question: str, scale: Scale, figures: list[_Figure]) -> Iterator[str]:
    if len(figures) > 120:
        return
    pairs = [(a, b) for a, b in permutations(figures, 2) if a.row == b.row or a.column == b.column]
    percent = scale is Scale.PERCENT
    if percent and _CHANGE.search(question):
        yield from (f"pct({a.text},{b.text})" for a, b in pairs)
    if percent and _RATIO.search(question):
        yield from (f"share({a.text},{b.text})" for a, b in pairs)
    if _AVERAGE.search(question):
        yield from (f"avg({','.join(figure.text for figure in group)})" for group in _groups(figures))
    if _CHANGE.search(question):
        yield from (f"{a.text}-{_subtrahend(b.text)}" for a, b in pairs)
    if _TOTAL.search(question):
        yield from (
            "+".join(_summand(figure.text, at) for at, figure in enumerate(group)) for group in _groups(figures)
        )
    if not percent and _RATIO.search(question):
        yield from (f"{a.text}/{_subtrahend(b.text)}" for a, b in pairs)


def _groups(figures: list[_Figure]) -> Iterator[tuple[_Figure, ...]]:
    lines: dict[tuple[str, int], list[_Figure]] = {}
    for figure in figures:
        lines.setdefault(("row", figure.row), []).append(figure)
        lines.setdefault(("column", figure.column), []).append(figure)
    for line in lines.values():
        if len(line) > 8:
            continue
        for size in range(2, min(_MAX_TERMS, len(line)) + 1):
            yield from combinations(line, size)


def _subtrahend(text: str) -> str:
    return f"({text})" if text.startswith("-") else text


def _summand(text: str, at: int) -> str:
    return f"({text})" if at and text.startswith("-") else text
