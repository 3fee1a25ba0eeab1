"""The index of one document: a positional inverted index and page features, kept as one immutable file.

A collection's index is the list of its documents' segments (the idea of Lucene's segments): adding a document writes
one file, equal files are indexed once, and nothing is locked.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from common.page_kinds import PageKind
from common.pages import Document
from worker.retrieval.kinds import headings_of, page_kinds
from worker.retrieval.metadata import Form, Metadata, combined, head_metadata, name_metadata
from worker.retrieval.terms import terms

# Part of the file; a segment of another version is built again from the parsed document.
INDEX_VERSION = 1
KINDS = tuple(PageKind)

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """One document's index.

    `term_starts` [terms + 1] and `positions` [tokens] (int32): the positions of term t, ascending, are
    positions[term_starts[t]:term_starts[t + 1]]; `page_starts` [pages + 1] (int32) are the positions at which pages
    begin; `heading_starts` and `heading_pages` (int32) list in the same way the pages, from zero, that have the term in
    a heading; `kinds` [pages, len(KINDS)] (float32) are strengths from 0 to 1; `vectors` [passages, width] (float32,
    unit length) with `passage_pages` [passages] (int32) are there only where an embedder was given.
    """

    address: str
    name: str
    head: Metadata
    vocabulary: dict[str, int]
    term_starts: IntArray
    positions: IntArray
    page_starts: IntArray
    heading_starts: IntArray
    heading_pages: IntArray
    kinds: FloatArray
    vectors: FloatArray | None = None
    passage_pages: IntArray | None = None

    @classmethod
    def build(cls, document: Document) -> Self:
        """Index a parsed document."""
        page_terms = [terms(page.text) for page in document.pages]
        vocabulary = {
            term: number for number, term in enumerate(sorted({term for page in page_terms for term in page}))
        }
        tokens = np.fromiter((vocabulary[term] for page in page_terms for term in page), np.int32)
        counts = np.bincount(tokens, minlength=len(vocabulary)) if len(tokens) else np.zeros(len(vocabulary), np.int64)
        lengths = [len(page) for page in page_terms]
        order = np.argsort(tokens, kind="stable")
        # One position is left free after every page, so that no phrase reaches over a page's end.
        positions = order + np.repeat(np.arange(len(lengths)), lengths)[order]
        strengths = [page_kinds(page.text) for page in document.pages]
        headings = sorted(
            (vocabulary[term], number)
            for number, page in enumerate(document.pages)
            for term in {term for line in headings_of(page.text) for term in terms(line)}
        )
        return cls(
            address=document.address,
            name=document.name,
            head=head_metadata(document),
            vocabulary=vocabulary,
            term_starts=_starts(counts),
            positions=positions.astype(np.int32),
            page_starts=_starts([length + 1 for length in lengths]),
            heading_starts=_starts(np.bincount([term for term, _ in headings] or [0], minlength=len(vocabulary)))
            if headings
            else np.zeros(len(vocabulary) + 1, np.int32),
            heading_pages=np.array([number for _, number in headings], np.int32),
            kinds=np.array([[page.get(kind, 0.0) for kind in KINDS] for page in strengths], np.float32),
        )

    @property
    def metadata(self) -> Metadata:
        """Return what the file's name and its first pages tell of it."""
        return combined(name_metadata(self.name), self.head)

    @property
    def page_count(self) -> int:
        """Return the number of pages."""
        return len(self.page_starts) - 1

    def called(self, name: str) -> "Segment":
        """Return the segment under another file name: equal files are indexed once, whatever they are called."""
        return self if name == self.name else replace(self, name=name)

    def with_vectors(self, vectors: FloatArray, passage_pages: IntArray) -> "Segment":
        """Return the segment with passage vectors; pages in `passage_pages` count from zero."""
        return replace(self, vectors=vectors, passage_pages=passage_pages)

    def occurrences(self, term: str) -> IntArray:
        """Return the positions of a term, ascending; empty where it does not occur."""
        number = self.vocabulary.get(term)
        if number is None:
            return np.empty(0, np.int32)
        return self.positions[self.term_starts[number] : self.term_starts[number + 1]]

    def heading_occurrences(self, term: str) -> IntArray:
        """Return the pages (from zero) in whose headings a term stands."""
        number = self.vocabulary.get(term)
        if number is None:
            return np.empty(0, np.int32)
        return self.heading_pages[self.heading_starts[number] : self.heading_starts[number + 1]]

    def phrase_occurrences(self, phrase: Sequence[str]) -> IntArray:
        """Return the positions at which the terms stand one after the other."""
        found = self.occurrences(phrase[0])
        for offset, term in enumerate(phrase[1:], start=1):
            if not len(found):
                break
            found = found[np.isin(found + offset, self.occurrences(term), assume_unique=True)]
        return found

    def pages_at(self, positions: IntArray) -> npt.NDArray[np.int64]:
        """Return the page index (from zero) of each position."""
        return np.searchsorted(self.page_starts, positions, side="right") - 1

    def to_bytes(self) -> bytes:
        """Return the segment as a compressed .npz archive without pickled objects."""
        head = {
            "version": INDEX_VERSION,
            "address": self.address,
            "name": self.name,
            "metadata": asdict(self.head),
            "kinds": KINDS,
        }
        arrays: dict[str, Any] = {
            "head": _text_array(json.dumps(head)),
            "vocabulary": _text_array("\n".join(self.vocabulary)),
            "term_starts": self.term_starts,
            "positions": self.positions,
            "page_starts": self.page_starts,
            "heading_starts": self.heading_starts,
            "heading_pages": self.heading_pages,
            "kinds": self.kinds,
        }
        if self.vectors is not None and self.passage_pages is not None:
            arrays |= {"vectors": self.vectors.astype(np.float16), "passage_pages": self.passage_pages}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Segment":
        """Read what `to_bytes` wrote; raises ValueError for another version."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            head = json.loads(arrays["head"].tobytes())
            if head["version"] != INDEX_VERSION or tuple(head["kinds"]) != KINDS:
                raise ValueError(f"indexed by version {head['version']}, this is version {INDEX_VERSION}")
            words = arrays["vocabulary"].tobytes().decode()
            has_vectors = "vectors" in arrays
            return cls(
                address=head["address"],
                name=head["name"],
                head=_metadata(head["metadata"]),
                vocabulary={word: number for number, word in enumerate(words.split("\n") if words else [])},
                term_starts=arrays["term_starts"],
                positions=arrays["positions"],
                page_starts=arrays["page_starts"],
                heading_starts=arrays["heading_starts"],
                heading_pages=arrays["heading_pages"],
                kinds=arrays["kinds"],
                vectors=arrays["vectors"].astype(np.float32) if has_vectors else None,
                passage_pages=arrays["passage_pages"] if has_vectors else None,
            )


def _starts(counts: Any) -> IntArray:
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)


def _text_array(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _metadata(fields: dict[str, Any]) -> Metadata:
    return Metadata(
        companies=tuple(fields["companies"]),
        tickers=tuple(fields["tickers"]),
        form=Form(fields["form"]),
        fiscal_years=tuple(fields["fiscal_years"]),
        quarters=tuple(fields["quarters"]),
    )
