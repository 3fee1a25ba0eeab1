"""Documents and their indexes, each made once per file content and kept for good."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from common.pages import Document, content_address, document_key
from worker.retrieval.blobs import Blobs
from worker.retrieval.embed import passages
from worker.retrieval.index import INDEX_VERSION, Segment
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse_process import parse_isolated
from worker.retrieval.search import Embedder, Hit, SearchOptions, search

_KEPT_SEGMENTS = 256
_KEPT_DOCUMENTS = 32

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as a collection lists it: its content address and the name its owner gave it."""

    address: str
    name: str


class DocumentMissingError(KeyError):
    """A document was never added, or its pages are not kept any more."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(f"{entry.name} ({entry.address}) was not added")
        self.entry = entry


class Library:
    """Parses, indexes and searches; keeps what it made in `blobs`, and the last used in memory."""

    def __init__(self, blobs: Blobs, limits: ParseLimits | None = None, embedder: Embedder | None = None) -> None:
        self._blobs = blobs
        self._limits = limits or ParseLimits()
        self._embedder = embedder
        self._segments: OrderedDict[str, Segment] = OrderedDict()
        self._documents: OrderedDict[str, Document] = OrderedDict()

    def add(self, name: str, data: bytes) -> Document:
        """Return the parsed and indexed document, from the store where these bytes were added before.

        Raises DocumentError with a reason and a sentence where the file gives no pages.
        """
        address = content_address(hashlib.sha256(data).hexdigest())
        self._forget(address)
        document = self._stored_document(address)
        if document is None:
            document = parse_isolated(name, data, self._limits)
            self._blobs.write(document_key(address), document.to_bytes())
            _keep(self._documents, address, document, _KEPT_DOCUMENTS)
        self.segment(Entry(address, name))
        return replace(document, name=name)

    def document(self, entry: Entry) -> Document:
        """Return a document added before; raises DocumentMissingError if there is none."""
        document = self._stored_document(entry.address)
        if document is None:
            raise DocumentMissingError(entry)
        return replace(document, name=entry.name)

    def segment(self, entry: Entry) -> Segment:
        """Return a document's index, built anew where it is missing or of an older version."""
        segment = self._segments.get(entry.address) or self._stored_segment(entry.address)
        if segment is None:
            document = self.document(entry)
            segment = Segment.build(document)
            if self._embedder is not None:
                texts, pages = passages(document)
                segment = segment.with_vectors(self._embedder(texts), pages)
            self._blobs.write(self._segment_key(entry.address), segment.to_bytes())
        _keep(self._segments, entry.address, segment, _KEPT_SEGMENTS)
        return segment.called(entry.name)

    def search(self, question: str, entries: Sequence[Entry], options: SearchOptions | None = None) -> list[Hit]:
        """Return the best pages of these documents, best first."""
        options = options or SearchOptions(embedder=self._embedder)
        return search(question, [self.segment(entry) for entry in entries], options)

    def _forget(self, address: str) -> None:
        """Drop a document from memory: the gateway may have deleted its files meanwhile."""
        self._documents.pop(address, None)
        self._segments.pop(address, None)

    def _stored_document(self, address: str) -> Document | None:
        document = self._documents.get(address)
        if document is None:
            data = self._blobs.read(document_key(address))
            document = Document.from_bytes(data) if data is not None else None
        if document is not None:
            _keep(self._documents, address, document, _KEPT_DOCUMENTS)
        return document

    def _stored_segment(self, address: str) -> Segment | None:
        data = self._blobs.read(self._segment_key(address))
        return Segment.from_bytes(data) if data is not None else None

    def _segment_key(self, address: str) -> str:
        kind = "" if self._embedder is None else "-vectors"
        return f"segments/{address}-i{INDEX_VERSION}{kind}.npz"


def _keep(kept: OrderedDict[str, Value], key: str, value: Value, limit: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > limit:
        kept.popitem(last=False)
