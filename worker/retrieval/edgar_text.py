"""Old EDGAR text filings: pages and tables between SGML tags, a table's columns aligned by blanks."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from worker.retrieval.pdf_lines import rows_of
from worker.retrieval.words import Line, Word

# HTML has neither pages nor columns marked so; whichever of these comes first tells what a file is.
_PAGE_COLUMN_OR_ROW = re.compile(rb"<(?:(c|page)>|(?:t[rdh]|thead|tbody)\b)", re.I)
_MARK = re.compile(r"<(?:page|c)>", re.I)
# The number of the page that begins may follow: `<PAGE>   24`, `<PAGE> F-2`.
_PAGE = re.compile(r"<PAGE>(?:[ \t]*(?:[A-Z]-?)?\d*[ \t]*$)?", re.I | re.M)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|nbsp|#\d{1,5});")
# A table may have begun on the page before.
_TABLE = re.compile(
    r"(?:\A(?=(?:(?!</?TABLE>).)*</TABLE>)|^[ \t]*<TABLE>).*?(?:</TABLE>|(?=<TABLE>)|\Z)", re.I | re.M | re.S
)
_HTML_ROW = re.compile(r"<t[rdh]\b", re.I)
_FOOTNOTES = re.compile(r"^[ \t]*<FN>", re.I | re.M)
_FOOTNOTE_MARK = re.compile(r"<F(\d{1,3})>", re.I)
_TAG = re.compile(r"</?(?:TABLE|CAPTION|S|C|FN)>", re.I)
_LEADERS = re.compile(r"\.{3,}|(?:\. ){2,}\.?")
_RULE = re.compile(r"(?=.*[-=_]{3})[\s=_-]+")
# A line of one piece: its only wide gaps follow a note's mark or the end of a sentence.
_RUNNING_TEXT = re.compile(r"(?:(?:\(\w{1,3}\)|\*+) +)?\S+(?:(?: |(?<=[.:;]) {2})\S+)*")
_LONGEST_LINE_CHARS = 400
# Ten-point Courier: one blank is a space between words, two are a gap between cells.
_CHAR_WIDTH_POINTS, _CHAR_HEIGHT_POINTS = 6.0, 10.0


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A stretch of a text filing: a table of aligned columns, or any other text."""

    text: str
    is_table: bool


def has_text_tables(data: bytes) -> bool:
    """Return whether a file's tags mark the pages and columns of text, not the rows of HTML."""
    found = _PAGE_COLUMN_OR_ROW.search(data)
    return found is not None and found[1] is not None


def paged_text(text: str) -> str:
    """Return a filing with form feeds for its page tags and characters for its entities; other texts as they are."""
    if not _MARK.search(text):
        return text
    return _ENTITY.sub(lambda found: html.unescape(found[0]), _PAGE.sub("\f", text))


def blocks(page: str) -> Iterator[TextBlock]:
    """Yield a page's tables and what stands around them, in order; the notes below a table are no part of it."""
    after = 0
    for table in _TABLE.finditer(page):
        if _HTML_ROW.search(table[0]):
            continue
        yield TextBlock(page[after : table.start()], is_table=False)
        rows, *notes = _FOOTNOTES.split(table[0], maxsplit=1)
        yield TextBlock(_without_tags(rows), is_table=True)
        yield from (TextBlock(_without_tags(note), is_table=False) for note in notes)
        after = table.end()
    yield TextBlock(page[after:], is_table=False)


def table_lines(table: str) -> list[str]:
    """Return a table's lines, its rows as `label | cell | cell`, every cell under its column."""
    lines = map(_words, table.expandtabs().splitlines())
    return rows_of([line for line in lines if line])


def _without_tags(text: str) -> str:
    """Put blanks for the tags, so that what stands after one keeps its place."""
    marked = _FOOTNOTE_MARK.sub(lambda found: f"({found[1]})".ljust(len(found[0])), text)
    return _TAG.sub(lambda found: " " * len(found[0]), marked)


def _words(line: str) -> Line:
    """Return a line's words with their places as a typewriter prints them; none for a rule."""
    line = _LEADERS.sub(lambda found: " " * len(found[0]), line)
    if _RULE.fullmatch(line):
        return []
    bare = line.strip()
    if len(bare) > _LONGEST_LINE_CHARS or ("  " in bare and _RUNNING_TEXT.fullmatch(bare)):
        return [_word(" ".join(bare.split()), line.index(bare))]
    return [_word(found[0], found.start()) for found in re.finditer(r"\S+", line)]


def _word(text: str, start: int) -> Word:
    left, right = start * _CHAR_WIDTH_POINTS, (start + len(text)) * _CHAR_WIDTH_POINTS
    return Word(text, left, right, bottom=0.0, top=_CHAR_HEIGHT_POINTS)
