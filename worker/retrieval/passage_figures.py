"""Figures of a passage with what its captions and columns add: the scale of a table, the percent sign of a column."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from common.numbers import Scale, mentioned_scales
from common.tables import CELL_SEPARATOR
from worker.retrieval.figures import FoundFigure, Unit, find_figures

_POWERS = {Scale.THOUSAND: 3, Scale.MILLION: 6, Scale.BILLION: 9}
_CAPTION = re.compile(
    r"\b(?:amounts?|dollars?|figures?|expressed|stated|shares?|usd|us\$|\$|€|£)?\s*\(?\s*(?:u\.?s\.?\s+)?(?:dollars\s+)?in\s+"
    r"(?:u\.?s\.?\s+)?(?:dollars\s+|[$€£]\s*)?(?:thousands?|millions?|billions?|[$€£]?['’]?000s?)\b"
    r"|^\(?\s*(?:millions|thousands|billions)\b|[(|,]\s*[$€£]?\s*(?:in\s+)?(?:millions|thousands|billions)\b|[$€£]['’]?\s?000\b"
    r"|amounts in (?:thousand|million|billion)\b",
    re.I,
)
_UNSCALED_ROW = re.compile(
    r"\bper\s+(?:\w+\s+){0,2}share|\beps\b|^\s*(?:basic|diluted)\b|%|\bpercent|\bratio\b|\brate\b"
    r"|\bnumber of\b|\bstores?\b|\bemployees\b",
    re.I,
)
_PERCENT_HEAD = re.compile(r"%|\bpercent", re.I)
# Three digits and more, or a decimal, that are no year and no '000: a row that holds one is no header.
_VALUE = re.compile(r"(?<![\w,.'’])(?!(?:19|20)\d\d\b)\d[\d,]{2,}|\d\.\d")
# What a wrapped line may leave of its last figure to the next line; `Millions` begins a caption.
_WRAPPED_UNIT = re.compile(r"(?:thousand|million|billion|trillion|percent|per cent|basis points|bn|mn)\b")
_MAX_COLUMN_LOOKBACK = 40
_KEPT_PASSAGES = 256


@dataclass(frozen=True, slots=True)
class PassageFigure:
    """A figure of a passage; `powers` are the powers of ten it may be counted in.

    `is_share` tells that it is a percent, or may be one because its column's other figures are.
    """

    figure: FoundFigure
    powers: frozenset[int]
    is_share: bool

    @property
    def share_amount(self) -> Fraction:
        """Return a percent as a share of one, also where the sign stands at the column's head only."""
        if self.figure.unit in (Unit.PERCENT, Unit.BASIS_POINTS):
            return self.figure.amount
        return Fraction(self.figure.value) / 100


@functools.lru_cache(maxsize=_KEPT_PASSAGES)
def passage_figures(text: str) -> tuple[PassageFigure, ...]:
    """Return the passage's figures in order; kept for the many questions that are asked about one page.

    A row's scale is that of the nearest caption above it, else of the first caption of the passage; a per-share row may
    also be unscaled. Running text states its scale itself.
    """
    return tuple(_found(text))


def _found(text: str) -> Iterator[PassageFigure]:
    lines = _lines(text)
    captions = [_caption_powers(line) for _, line in lines]
    first = next((powers for powers in captions if powers), frozenset[int]())
    scaled = first
    percent_columns: dict[int, int] = {}
    for number, (offset, line) in enumerate(lines):
        scaled = captions[number] or scaled
        is_row = CELL_SEPARATOR in line or line.endswith(CELL_SEPARATOR.rstrip())
        if not is_row:
            if len(line) > 80:
                percent_columns = {}
        else:
            _mark_percent_columns(line, number, percent_columns)
        following = lines[number + 1][1] if number + 1 < len(lines) else ""
        for figure in _line_figures(line, following):
            placed = _moved(figure, offset)
            yield PassageFigure(
                placed,
                _powers(figure, line, scaled, is_row),
                _is_share(figure, line, number, percent_columns, is_row),
            )


def _line_figures(line: str, following: str) -> Iterator[FoundFigure]:
    """Return the figures that begin in a line; the scale or percent of the last one may begin the next line."""
    unit = _WRAPPED_UNIT.match(following)
    if unit is None or CELL_SEPARATOR.strip() in line + following:
        return find_figures(line)
    figures = list(find_figures(line))
    if not figures or figures[-1].end != len(line) or figures[-1].unit is Unit.YEAR:
        return iter(figures)
    return find_figures(f"{line}\n{unit[0]}")


def _lines(text: str) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    offset = 0
    for line in text.split("\n"):
        lines.append((offset, line))
        offset += len(line) + 1
    return lines


def _caption_powers(line: str) -> frozenset[int]:
    is_caption = _CAPTION.search(line) or (CELL_SEPARATOR.strip() in line and not _VALUE.search(line))
    if not is_caption:
        return frozenset()
    return frozenset(_POWERS[scale] for scale in mentioned_scales(line) if scale in _POWERS)


def _powers(figure: FoundFigure, line: str, scaled: frozenset[int], is_row: bool) -> frozenset[int]:
    if figure.power is not None:
        return frozenset((figure.power,))
    if figure.unit in (Unit.PERCENT, Unit.BASIS_POINTS, Unit.YEAR):
        return frozenset((0,))
    if not is_row:
        # `Revenue: 2022=34229; 2021=35355` is a row as well.
        return scaled | {0} if scaled and ("=" in line or len(line) < 80) else frozenset((0,))
    return scaled | {0} if _UNSCALED_ROW.search(line) else scaled


def _is_share(figure: FoundFigure, line: str, number: int, percent_columns: dict[int, int], is_row: bool) -> bool:
    if figure.unit in (Unit.PERCENT, Unit.BASIS_POINTS):
        return True
    if not is_row or figure.unit is not Unit.PLAIN or figure.power is not None:
        return False
    column = line.count(CELL_SEPARATOR.strip(), 0, figure.start)
    marked = percent_columns.get(column)
    return marked is not None and number - marked <= _MAX_COLUMN_LOOKBACK


def _mark_percent_columns(line: str, number: int, percent_columns: dict[int, int]) -> None:
    for column, cell in enumerate(line.split(CELL_SEPARATOR.strip())):
        if column and _PERCENT_HEAD.search(cell):
            percent_columns[column] = number
        elif column and "$" in cell:
            percent_columns.pop(column, None)


def _moved(figure: FoundFigure, offset: int) -> FoundFigure:
    return FoundFigure(
        figure.text,
        figure.start + offset,
        figure.end + offset,
        figure.value,
        figure.decimals,
        figure.unit,
        figure.currency,
        figure.power,
        figure.about,
    )
