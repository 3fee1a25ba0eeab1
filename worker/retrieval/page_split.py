"""Pages for documents that have none: split by size, between lines, rather at a heading than inside a table."""

from collections.abc import Sequence

from common.tables import CELL_SEPARATOR

# About what a printed page of a report holds.
PAGE_CHARS = 3_500
_SEARCH_FROM = 0.6


def split_lines(lines: Sequence[str], page_chars: int = PAGE_CHARS) -> list[str]:
    """Return page texts of about `page_chars` characters; a line longer than a page is a page of its own."""
    pages: list[str] = []
    page: list[str] = []
    size = 0
    for line in lines:
        if page and size + len(line) > page_chars:
            cut = _best_cut(page)
            pages.append("\n".join(page[:cut]))
            page = page[cut:]
            size = sum(map(len, page))
        page.append(line)
        size += len(line)
    return [*pages, "\n".join(page)] if page else pages


def _best_cut(page: Sequence[str]) -> int:
    """Return before which line to cut: the last place outside a table in the page's end, else its end."""
    for at in range(len(page) - 1, int(len(page) * _SEARCH_FROM), -1):
        if CELL_SEPARATOR not in page[at] and CELL_SEPARATOR in page[at - 1]:
            return at
    return len(page)
