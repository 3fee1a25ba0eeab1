"""What a page of a report is: a primary statement, a note, a discussion; from its headings and line items."""

import re

from common.page_kinds import PageKind
from common.tables import CELL_SEPARATOR

_HEAD_LINES = 14
_MAX_HEADING_CHARS = 90
_MIN_ROWS = 6
_TITLES = {
    PageKind.INCOME: re.compile(
        r"^(?:(?:condensed|consolidated|unaudited|supplemental)\s+)*statements?\s+of\s+(?:consolidated\s+)?"
        r"(?:(?:net\s+)?income|operations|earnings|profit)\b(?!.*comprehensive)",
        re.I,
    ),
    PageKind.BALANCE: re.compile(
        r"^(?:(?:condensed|consolidated|unaudited)\s+)*(?:balance\s+sheets?|statements?\s+of\s+financial\s+(?:position|condition))",
        re.I,
    ),
    PageKind.CASH_FLOW: re.compile(
        r"^(?:(?:condensed|consolidated|unaudited)\s+)*statements?\s+of\s+(?:consolidated\s+)?cash\s+flows?", re.I
    ),
    PageKind.EQUITY: re.compile(
        r"^(?:(?:condensed|consolidated|unaudited)\s+)*statements?\s+of\s+(?:changes\s+in\s+)?(?:total\s+)?"
        r"(?:\w+['’]s?\s+|stockholders|shareholders|shareowners|changes in )*\s*(?:equity|capital)",
        re.I,
    ),
    PageKind.COMPREHENSIVE: re.compile(
        r"^(?:(?:condensed|consolidated|unaudited)\s+)*statements?\s+of\s+comprehensive\s+(?:income|loss|earnings)",
        re.I,
    ),
}
_ITEMS = {
    PageKind.INCOME: (
        r"(?:total )?(?:net )?(?:revenues?|sales)",
        r"cost of (?:sales|revenues?|goods sold|products sold)|interest expense|expenses?",
        r"(?:operating|pretax) income|income from operations|income before|earnings before|operating profit",
        r"(?:provision for|benefit from)? ?(?:income )?tax",
        r"net (?:income|earnings|loss)",
        r"diluted",
    ),
    PageKind.BALANCE: (
        r"cash and cash equivalents",
        r"total current assets|total cash",
        r"total assets",
        r"accounts payable|customer deposits",
        r"total (?:current )?liabilities",
        r"retained earnings|accumulated deficit|reinvested earnings",
        r"total (?:liabilities and )?(?:\w+[’']?s?[’']? )?(?:equity|deficit)",
    ),
    PageKind.CASH_FLOW: (
        r"depreciation",
        r"(?:net cash|cash flows?|cash) .{0,30}operating activities|operating activities",
        r"investing activities",
        r"financing activities",
        r"(?:purchases?|additions?|expenditures?|capital).{0,30}(?:property|plant|equipment|expenditures)",
        r"cash.{0,60}(?:end of|beginning of)",
    ),
}
_ITEM_PATTERNS = {
    kind: tuple(re.compile(rf"^(?:{item})", re.I | re.M) for item in items) for kind, items in _ITEMS.items()
}
_COVER = re.compile(
    r"exact name of (?:the )?registrant|securities registered pursuant|commission file n|\(commission\b", re.I
)
_DISCUSSION = re.compile(
    r"\b(?:primarily|mainly|largely|partially)\s+(?:due|driven|offset|attributable|reflect\w*|as a result|the result"
    r"|from|by)"
    r"|\b(?:driven|offset) by\b|\bdue to\b|\bas a result of\b|\bas compared (?:to|with)\b|\bcompared (?:to|with)\b"
    r"|\bincreased? (?:of|in|by)\b|\bdecreased? (?:of|in|by)\b|\breflecting\b|\battributable to\b",
    re.I,
)
_CONTENTS_LINE = re.compile(r"(?:\.{3,}|\||\s)\s*(?:F-?)?\d{1,3}\s*$")
_FIGURE_ROW = re.compile(r"\d")


def page_kinds(text: str) -> dict[PageKind, float]:
    """Return the kinds a page is of, each with a strength from 0 to 1."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    rows = [line for line in lines if CELL_SEPARATOR in line and _FIGURE_ROW.search(line)]
    kinds = {kind: strength for kind in _TITLES if (strength := _statement(kind, lines, rows)) > 0}
    if len(_COVER.findall(text)) > 1:
        kinds[PageKind.COVER] = 1.0
    if reasons := len(_DISCUSSION.findall(text)):
        kinds[PageKind.DISCUSSION] = min(1.0, reasons / 8)
    if _is_contents(lines):
        kinds = {PageKind.CONTENTS: 1.0}
    return kinds


def headings_of(text: str) -> list[str]:
    """Return the lines that look like headings: short, no sentence, no row of figures, a capital or digit first."""
    lines = (line.strip() for line in text.split("\n"))
    return [
        line
        for line in lines
        if 3 < len(line) < _MAX_HEADING_CHARS
        and CELL_SEPARATOR not in line
        and line[-1] not in ".,;"
        and (line[0].isupper() or line[0].isdigit())
        and sum(map(str.isalpha, line)) > 0.6 * len(line)
    ]


def _statement(kind: PageKind, lines: list[str], rows: list[str]) -> float:
    """Return 0 without figures; a title weighs 0.6 and the typical line items 0.4 in all."""
    if len(rows) < _MIN_ROWS:
        return 0.0
    titled = any(_TITLES[kind].match(_bare(line)) for line in lines if len(line) < 110)
    headed = any(_TITLES[kind].match(_bare(line)) for line in lines[:_HEAD_LINES] if len(line) < 110)
    items = _ITEM_PATTERNS.get(kind, ())
    text = "\n".join(lines)
    share = sum(bool(item.search(text)) for item in items) / len(items) if items else 0.0
    if not titled:
        return 0.4 * share if share > 0.8 else 0.0
    return (0.6 if headed else 0.45) + 0.4 * share


def _bare(line: str) -> str:
    """Return a title line without a company's name before it and without the item number."""
    return re.sub(r"^.{0,60}?(?=(?:condensed|consolidated)\b)", "", line, count=1, flags=re.I).strip()


def _is_contents(lines: list[str]) -> bool:
    if len(lines) < 8:
        return False
    listed = sum(bool(_CONTENTS_LINE.search(line)) and len(line) < 120 for line in lines)
    named = any(line.lower() in ("table of contents", "index", "contents", "exhibit index") for line in lines[:8])
    items = sum(bool(re.match(r"(?:item|note|part)\s+[\dIVX]+", line, re.I)) for line in lines)
    return named and items >= 8 and listed > 0.4 * len(lines)
