"""Segments, ranking and search over small documents."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from common.pages import Document, MediaKind, Page
from worker.retrieval.index import FloatArray, Segment
from worker.retrieval.search import Hit, SearchOptions, search


def _segment(name: str, *pages: str) -> Segment:
    numbered = tuple(Page(number, text) for number, text in enumerate(pages, start=1))
    return Segment.build(Document(name.encode().hex().ljust(64, "0"), name, MediaKind.TEXT, numbered))


ACME = _segment(
    "ACME_2022_10K.txt",
    "Overview of the widget business",
    "Legal proceedings about asbestos claims",
    "Sales of widgets grew because of higher prices",
)
OTHER = _segment("ZENITH_2022_10K.txt", "Sales of widgets grew in every region", "Asbestos")


def _pages(hits: Sequence[Hit]) -> list[tuple[str, int]]:
    return [(hit.document, hit.page) for hit in hits]


def test_the_page_that_speaks_of_it_is_first() -> None:
    """Given a question on one page's topic, when it is searched, then that page is first and pages count from one."""
    assert _pages(search("What are the asbestos legal proceedings?", [ACME]))[0] == ("ACME_2022_10K.txt", 2)


def test_a_named_company_filters() -> None:
    """Given a question that names a company, when all documents are searched, then only its own are found."""
    hits = search("How did Zenith's widget sales grow?", [ACME, OTHER])
    assert {hit.document for hit in hits} == {"ZENITH_2022_10K.txt"}
    unfiltered = search("How did Zenith's widget sales grow?", [ACME, OTHER], SearchOptions(filter_documents=False))
    assert len({hit.document for hit in unfiltered}) == 2


def test_an_unknown_company_does_not_filter() -> None:
    """Given a company that no document is of, when documents are searched, then all of them are."""
    assert len({hit.document for hit in search("How did Initech's widget sales grow?", [ACME, OTHER])}) == 2


def test_synonyms_reach_the_statement() -> None:
    """Given a question in an analyst's words, when it is searched, then the page with the report's words is first."""
    segment = _segment(
        "a.txt",
        "Capex is discussed nowhere here but what a word",
        "Consolidated statements of cash flows\nPurchases of property, plant and equipment | (5) | (6)",
        "Risk factors",
    )
    assert search("How high was capital spending, that is PP&E bought?", [segment])[0].page == 2


def test_segments_survive_their_bytes() -> None:
    """Given a segment, when it is written and read, then it finds the same pages with the same scores."""
    again = Segment.from_bytes(ACME.to_bytes())
    assert search("widget sales prices", [again]) == search("widget sales prices", [ACME])
    assert again.metadata == ACME.metadata
    assert again.called("ZENITH_2020_10K.txt").metadata.fiscal_years == (2020,)


def test_phrases_do_not_reach_over_words() -> None:
    """Given positions, when a phrase is looked up, then only neighbours on one page count, stop words aside."""
    segment = _segment("a.txt", "flow of cash flow", "cash big flow and cash", "flow")
    assert segment.pages_at(segment.phrase_occurrences(("cash", "flow"))).tolist() == [0]
    assert segment.pages_at(segment.phrase_occurrences(("flow", "cash"))).tolist() == [0, 1]
    assert len(segment.phrase_occurrences(("flow", "flow"))) == 0


@pytest.mark.parametrize("pages", [("",), ("", "Sales of widgets", "")])
def test_empty_pages_are_no_trouble(pages: tuple[str, ...]) -> None:
    """Given blank pages, when they are indexed and searched, then nothing breaks."""
    hits = search("widget sales", [_segment("a.txt", *pages)])
    assert len(hits) == len(pages)
    if len(pages) > 1:
        assert hits[0].page == 2


def test_no_documents_give_no_pages() -> None:
    """Given nothing to search, when it is searched, then nothing is found."""
    assert search("anything", []) == []


def test_a_reranker_has_the_last_word() -> None:
    """Given a re-ranker, when pages are found, then its scores order them; pages beyond its reach follow."""

    def backwards(question: str, hits: Sequence[Hit]) -> Sequence[float]:
        return list(range(len(hits)))

    plain = search("asbestos widget sales", [ACME])
    turned = search("asbestos widget sales", [ACME], SearchOptions(reranker=backwards, rerank_pages=2))
    assert _pages(turned) == [*reversed(_pages(plain[:2])), *_pages(plain[2:])]


def test_vectors_are_fused_with_words() -> None:
    """Given passage vectors, when the question's vector is that of a page without its words, then that page gains."""

    def embedder(texts: Sequence[str]) -> FloatArray:
        return np.array([[1.0, 0.0]], np.float32)

    vectors = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    segment = ACME.with_vectors(vectors, np.arange(3, dtype=np.int32))
    options = SearchOptions(embedder=embedder, vector_weight=100.0)
    assert search("widgets", [segment], options)[0].page == 2
    assert search("widgets", [segment], replace(options, vector_weight=0.0))[0].page != 2
    kept = Segment.from_bytes(segment.to_bytes())
    assert kept.vectors is not None
    assert np.array_equal(kept.vectors, vectors)


def test_documents_do_not_change_each_other_across_calls() -> None:
    """Given the same search twice, when others ran between, then the result is the same."""
    first = search("widget sales prices", [ACME, OTHER])
    search("asbestos", [OTHER])
    assert search("widget sales prices", [ACME, OTHER]) == first
