"""A library of reports given as page texts, in which a question finds just the pages it is told to."""

import hashlib
from collections.abc import Mapping, Sequence

from common.collections import DocumentRecord, DocumentStatus, ItemError
from common.pages import Document, MediaKind, Page, content_address
from worker.retrieval.library import Entry, Library
from worker.retrieval.search import Hit, SearchOptions

Found = Sequence[tuple[str, int]]


class ReportLibrary(Library):
    """`texts` are the pages of each report by its name, `found` the (name, page) of each question, best first."""

    def __init__(self, texts: Mapping[str, Sequence[str]], found: Mapping[str, Found]) -> None:
        self._texts = texts
        self._found = found

    def search(self, question: str, entries: Sequence[Entry], options: SearchOptions | None = None) -> list[Hit]:
        """Return the pages told, those of other reports than the entries left out."""
        names = {entry.name for entry in entries}
        limit = (options or SearchOptions()).limit
        hits = [Hit(address(name), name, page, 1 / page) for name, page in self._found[question] if name in names]
        return hits[:limit]

    def document(self, entry: Entry) -> Document:
        """Return a report; raises KeyError if there is none."""
        pages = tuple(Page(number, text) for number, text in enumerate(self._texts[entry.name], start=1))
        return Document(sha256(entry.name), entry.name, MediaKind.TEXT, pages)


def sha256(name: str) -> str:
    """Stands for the bytes of a report."""
    return hashlib.sha256(name.encode()).hexdigest()


def address(name: str) -> str:
    """Return where a report is kept."""
    return content_address(sha256(name))


def record(name: str, error: ItemError | None = None) -> DocumentRecord:
    """Return a report as its collection lists it: ready, or failed for a reason."""
    return DocumentRecord(
        id=f"doc_{name}",
        collection_id="col",
        caller="tester",
        name=name,
        bytes=1,
        sha256=sha256(name),
        status=DocumentStatus.READY if error is None else DocumentStatus.FAILED,
        created_at_ms=0,
        error=error,
    )
