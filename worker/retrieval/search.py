"""From a question to pages: filters by company and period, page scores, fusion with vectors, an optional re-ranker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from worker.retrieval.index import FloatArray, Segment
from worker.retrieval.metadata import Form, Metadata, aliases
from worker.retrieval.query import Question, name_forms, read_question
from worker.retrieval.ranking import PageTable, Scores, Weights, score_pages

_OTHER_PERIOD = 0.75
_EARLIER_PERIOD = 0.9
_YEARS_IN_ANNUAL_REPORT = 2
_FUSION_CONSTANT = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """A page found; `page` counts from one, `score` only orders hits of one search."""

    address: str
    document: str
    page: int
    score: float


class Reranker(Protocol):
    """Orders the best pages anew, for example by the resident model; returns one score per hit, higher is better."""

    def __call__(self, question: str, hits: Sequence[Hit]) -> Sequence[float]: ...


class Embedder(Protocol):
    """Turns texts into vectors of unit length, float32 [texts, width]."""

    def __call__(self, texts: Sequence[str]) -> FloatArray: ...


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How a search works; the defaults are the best measured (docs/retrieval.md)."""

    limit: int = 10
    filter_documents: bool = True
    weights: Weights = field(default_factory=Weights)
    embedder: Embedder | None = None
    vector_weight: float = 0.25
    reranker: Reranker | None = None
    rerank_pages: int = 10


def search(text: str, segments: Sequence[Segment], options: SearchOptions | None = None) -> list[Hit]:
    """Return the best pages for a question, best first; no segments give no hits."""
    options = options or SearchOptions()
    forms = name_forms(text) if options.filter_documents else frozenset()
    named = {segment.address: aliases(segment.metadata) & forms for segment in segments}
    chosen = [segment for segment in segments if named[segment.address]] or list(segments)
    question = read_question(text, {alias for found in named.values() for alias in found})
    table = PageTable(chosen)
    if table.count == 0:
        return []
    scores = score_pages(table, question, options.weights)
    if options.embedder is not None:
        scores = _fused(scores, _vector_scores(table, options.embedder([text])[0]), options.vector_weight)
    if options.filter_documents:
        scores = scores * _period_factors(table, question)
    best = np.argsort(-scores, kind="stable")[: max(options.limit, options.rerank_pages if options.reranker else 0)]
    hits = [_hit(table, int(page), float(scores[page])) for page in best]
    return _reranked(text, hits, options)[: options.limit]


def period_factor(metadata: Metadata, question: Question) -> float:
    """Return 1 for a document of the asked period, less for one that only looks back on it, least for any other.

    A document without a known period, or a question without one, is never held back.
    """
    if not question.years or not metadata.fiscal_years:
        return 1.0
    latest = max(question.years)
    if latest in metadata.fiscal_years:
        same_quarter = bool(set(metadata.quarters) & set(question.quarters)) or metadata.form is Form.QUARTERLY
        return 1.0 if same_quarter or not question.quarters else _EARLIER_PERIOD
    looks_back = 0 < min(metadata.fiscal_years) - latest <= _YEARS_IN_ANNUAL_REPORT
    return _EARLIER_PERIOD if looks_back and metadata.form is Form.ANNUAL else _OTHER_PERIOD


def _period_factors(table: PageTable, question: Question) -> Scores:
    factors = [period_factor(segment.metadata, question) for segment in table.segments]
    return np.repeat(factors, [segment.page_count for segment in table.segments])


def _vector_scores(table: PageTable, question_vector: FloatArray) -> Scores:
    """Return each page's best passage similarity; pages without vectors get 0."""
    scores = np.zeros(table.count)
    for number, segment in enumerate(table.segments):
        if segment.vectors is not None and segment.passage_pages is not None:
            pages = segment.passage_pages + table.offsets[number]
            np.maximum.at(scores, pages, segment.vectors @ question_vector)
    return scores


def _fused(lexical: Scores, semantic: Scores, weight: float) -> Scores:
    """Return reciprocal rank fusion (Cormack et al. 2009), scaled to 1 for a page that is first in both."""
    total = _reciprocal_ranks(lexical) + weight * _reciprocal_ranks(semantic)
    return total * (_FUSION_CONSTANT + 1) / (1 + weight)


def _reciprocal_ranks(scores: Scores) -> Scores:
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return np.asarray(1 / (_FUSION_CONSTANT + ranks))


def _hit(table: PageTable, page: int, score: float) -> Hit:
    number = int(np.searchsorted(table.offsets, page, side="right")) - 1
    segment = table.segments[number]
    return Hit(segment.address, segment.name, page - int(table.offsets[number]) + 1, score)


def _reranked(text: str, hits: list[Hit], options: SearchOptions) -> list[Hit]:
    if options.reranker is None:
        return hits
    head, tail = hits[: options.rerank_pages], hits[options.rerank_pages :]
    scores = options.reranker(text, head)
    order = sorted(range(len(head)), key=lambda number: (-scores[number], number))
    return [*(head[number] for number in order), *tail]
