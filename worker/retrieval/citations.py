"""Quotes that really stand on the page named."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.pages import Document, Page

# A cell border is white space for a reader; typographic signs have plain twins.
_SPACE = re.compile(r"[\s|]+")
_TWINS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "\u00a0": " "})
_MIN_QUOTE_CHARS = 3
# A shorter quote stands within other words by chance (`no` in `November`); a longer one may leave out an `s`.
_MIN_PART_OF_WORD_CHARS = 6
# A longer line is running text, of which the sentence around a figure says enough.
_LONGEST_QUOTED_LINE_CHARS = 240
_SENTENCE_REACH_CHARS = 160


@dataclass(frozen=True, slots=True)
class Citation:
    """A place in a document: page from one, `quote` = page text[start:end], exactly as printed."""

    address: str
    document: str
    page: int
    quote: str
    start: int
    end: int


def cite(document: Document, page_number: int, quote: str) -> Citation | None:
    """Return where the quote stands on the page, or None where it does not.

    White space, cell borders and the form of quotation marks and dashes do not count; everything else does. Raises
    IndexError for a page the document does not have.
    """
    page = document.page(page_number)
    span = find_quote(page.text, quote)
    return None if span is None else cite_span(document, page, *span)


def cite_span(document: Document, page: Page, start: int, end: int) -> Citation:
    """Return the citation of a stretch of a page's text."""
    return Citation(document.address, document.name, page.number, page.text[start:end], start, end)


def find_words(text: str, words: str) -> tuple[int, int] | None:
    """Return the first place of the words that cuts no number, and no word where they are short, None for none."""
    # Words copied as they are, the usual case, are found a hundred times faster this way.
    start = _find_whole(text, words)
    return (start, start + len(words)) if start >= 0 else _find_alike(text, words, _find_whole)


def find_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Return the first place of the quote in the text as offsets (start, end), None where it does not occur."""
    return _find_alike(text, quote, str.find)


def line_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the offsets of the whole lines that hold text[start:end]."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return first, len(text) if last < 0 else last


def passage_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the offsets of the line that holds text[start:end]; of a long line, the sentence or a part of it."""
    first, last = line_around(text, start, end)
    if last - first <= _LONGEST_QUOTED_LINE_CHARS:
        return first, last
    left, right = max(first, start - _SENTENCE_REACH_CHARS), min(last, end + _SENTENCE_REACH_CHARS)
    before = text.rfind(". ", left, start)
    after = text.find(". ", end, right)
    if before < 0:
        before = first - 2 if left == first else text.find(" ", left, start) - 1
    if after < 0:
        after = last if right == last else text.rfind(" ", end, right)
        return before + 2, max(after, end)
    return before + 2, after + 1


def is_valid(citation: Citation, document: Document) -> bool:
    """Return whether the citation's quote stands on its page at its offsets."""
    if citation.address != document.address or not 1 <= citation.page <= len(document.pages):
        return False
    return bool(citation.quote) and document.page(citation.page).text[citation.start : citation.end] == citation.quote


def _find_alike(text: str, quote: str, find: Callable[[str, str], int]) -> tuple[int, int] | None:
    """Return what `find` finds, white space and forms of signs aside, as offsets of the text itself."""
    wanted = _SPACE.sub(" ", quote.translate(_TWINS)).strip()
    if len(wanted) < _MIN_QUOTE_CHARS:
        return None
    plain, offsets = _normalised(text)
    at = find(plain, wanted)
    if at < 0:
        return None
    return offsets[at], offsets[at + len(wanted) - 1] + 1


def _find_whole(text: str, wanted: str) -> int:
    """Return the first place of the words that cuts no number, and no word where they are short; -1 for none."""
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        end = at + len(wanted)
        if not (_is_cut(text[max(0, at - 1) : at + 1], wanted) or _is_cut(text[end - 1 : end + 1], wanted)):
            return at
        at = text.find(wanted, at + 1)
    return -1


def _is_cut(border: str, wanted: str) -> bool:
    if border.isdigit() or len(wanted) >= _MIN_PART_OF_WORD_CHARS:
        return len(border) == 2 and border.isdigit()
    return len(border) == 2 and border.isalpha()


def _normalised(text: str) -> tuple[str, Sequence[int]]:
    """Return the text with runs of white space as one space, and the offset each character came from."""
    plain: list[str] = []
    offsets: list[int] = []
    at = 0
    # Twins are one character each, so offsets stay true.
    text = text.translate(_TWINS)
    for space in _SPACE.finditer(text):
        plain.append(text[at : space.start()])
        offsets.extend(range(at, space.start()))
        plain.append(" ")
        offsets.append(space.start())
        at = space.end()
    plain.append(text[at:])
    offsets.extend(range(at, len(text)))
    return "".join(plain), offsets
