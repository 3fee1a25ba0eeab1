"""Plain text, markdown and old EDGAR text filings as pages."""

import re

from common.pages import Page
from common.stacked_tables import rejoin_rows
from common.tables import CELL_SEPARATOR
from worker.retrieval.edgar_text import TextBlock, blocks, paged_text, table_lines
from worker.retrieval.limits import ParseLimits, check_pages
from worker.retrieval.page_split import PAGE_CHARS, split_lines
from worker.retrieval.problems import DocumentError, Problem

_RULE = re.compile(r"^[\s|:+=-]*-{3,}[\s|:+=-]*$")
_WIDE_GAP = re.compile(r"\s*\t\s*|\s{3,}")
# A line of figures or years alone that begins this far in has nothing in the column of labels.
_EMPTY_LABEL = re.compile(r"(?:\t| {8})[\W\d_]+")
_MAX_CONTROL_SHARE = 0.02


def parse_text(name: str, data: bytes, limits: ParseLimits) -> tuple[tuple[Page, ...], tuple[str, ...]]:
    """Return pages and notes; pages end at form feeds or page tags, else they are split by size. Tables become rows.

    Raises DocumentError for a file without text, binary content, or a file over a limit.
    """
    text = _decoded(data)
    control = sum(char < " " and char not in "\n\r\t\f" for char in text[:100_000])
    if control > _MAX_CONTROL_SHARE * min(len(text), 100_000):
        raise DocumentError(name, Problem.WRONG_TYPE, "the file is binary, not text. Add a PDF, HTML or text file.")
    if not text.strip():
        raise DocumentError(name, Problem.NO_TEXT, "the file holds nothing but white space.")
    texts = [page for part in paged_text(text).split("\f") for page in _pages(part)]
    check_pages(name, len(texts), limits)
    return tuple(Page(number, page) for number, page in enumerate(texts, start=1)), ()


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def text_lines(text: str) -> list[str]:
    """Return the lines of a page that a typewriter could print, its tables as `label | cell | cell`."""
    return [line for block in blocks(text) for line in _lines(block)]


def _pages(part: str) -> list[str]:
    lines = text_lines(part)
    if sum(map(len, lines)) <= 2 * PAGE_CHARS:
        return ["\n".join(lines)] if lines else []
    return split_lines(lines)


def _lines(block: TextBlock) -> list[str]:
    if block.is_table:
        return table_lines(block.text)
    return rejoin_rows([_line(line) for line in block.text.splitlines() if line.strip() and not _RULE.match(line)])


def _line(line: str) -> str:
    """Return a table row as cells: markdown rows by their bars, typewriter tables by wide gaps before figures."""
    bare = line.strip()
    if bare.startswith("|") and bare.endswith("|") and len(bare) > 1:
        return CELL_SEPARATOR.join(cell.strip() for cell in bare[1:-1].split("|"))
    parts = _WIDE_GAP.split(bare)
    if len(parts) > 1 and any(char.isdigit() for part in parts[1:] for char in part):
        return CELL_SEPARATOR.join(["", *parts] if _EMPTY_LABEL.fullmatch(line) else parts)
    return line.rstrip()
