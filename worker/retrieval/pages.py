"""What a page holds, for evidence selection; the pages themselves are in common/pages.py."""

from collections.abc import Iterator

from common.evidence import Document as PageContent
from common.pages import PARSER_VERSION, Document, MediaKind, Page, content_address
from common.tables import CELL_SEPARATOR, Table

__all__ = ["PARSER_VERSION", "Document", "MediaKind", "Page", "content_address", "page_content"]

_CELL_MARK = CELL_SEPARATOR.strip()


def page_content(page: Page) -> PageContent:
    """Return a page's tables and paragraphs for evidence selection; column positions of empty cells are kept."""
    tables: list[Table] = []
    paragraphs: list[str] = []
    for rows, prose in _runs(page.lines()):
        if len(rows) > 1:
            tables.append(Table.from_cells(rows))
        elif rows:
            paragraphs.append(" ".join(cell for cell in rows[0] if cell))
        if prose:
            paragraphs.extend(_paragraphs(prose))
    return PageContent(tuple(tables), tuple(paragraphs))


def _runs(lines: list[str]) -> Iterator[tuple[list[list[str]], list[str]]]:
    """Yield stretches of rows and the prose lines after them."""
    rows: list[list[str]] = []
    prose: list[str] = []
    for line in lines:
        if _CELL_MARK in line:
            if prose:
                yield rows, prose
                rows, prose = [], []
            rows.append([cell.strip() for cell in line.split(_CELL_MARK)])
        else:
            prose.append(line.strip())
    yield rows, prose


def _paragraphs(lines: list[str]) -> list[str]:
    """Join lines that continue a sentence."""
    joined: list[str] = []
    for line in lines:
        if joined and joined[-1][-1] not in ".:!?" and (line[0].islower() or len(joined[-1]) > 60):
            joined[-1] = f"{joined[-1]} {line}"
        else:
            joined.append(line)
    return joined
