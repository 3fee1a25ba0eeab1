"""Scores of pages for a question: BM25 over terms and phrases, best passage, kind of page; all in numpy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.page_kinds import PageKind
from worker.retrieval.index import KINDS, Segment
from worker.retrieval.query import Question

_K1 = 1.2
_B = 0.6
_WINDOW_TERMS = 120
_SURE = 0.75

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each sign of relevance counts; the best page's BM25 over the question's own words is 1."""

    topic: float = 1.0
    pairs: float = 0.3
    phrases: float = 0.8
    passage: float = 0.4
    headings: float = 0.4
    kind: float = 1.2
    statement: float = 0.4
    reason: float = 0.5
    contents: float = -0.5


class PageTable:
    """The pages of several segments as one list, with the statistics BM25 needs."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments
        counts = [segment.page_count for segment in segments]
        self.offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        self.count = int(self.offsets[-1])
        lengths = [np.diff(segment.page_starts) for segment in segments]
        self._lengths = np.concatenate(lengths).astype(np.float64) if lengths else np.zeros(0)
        self._norm = _K1 * (1 - _B + _B * self._lengths / max(float(self._lengths.mean()) if self.count else 1.0, 1.0))
        self.kinds = np.concatenate([segment.kinds for segment in segments]) if segments else np.zeros((0, len(KINDS)))

    def bm25(self, units: Sequence[Sequence[str]]) -> Scores:
        """Return each page's BM25 (Robertson and Zaragoza 2009) over units of one term or of several in a row."""
        scores = np.zeros(self.count)
        for unit in units:
            frequency = np.zeros(self.count)
            for number, segment in enumerate(self.segments):
                positions = segment.phrase_occurrences(unit)
                if len(positions):
                    pages = segment.pages_at(positions) + self.offsets[number]
                    frequency += np.bincount(pages, minlength=self.count)
            found = int(np.count_nonzero(frequency))
            if found:
                scores += self._idf(found) * frequency * (_K1 + 1) / (frequency + self._norm)
        return scores

    def headings(self, words: Sequence[str]) -> Scores:
        """Return the rarity of the words that stand in each page's headings."""
        scores = np.zeros(self.count)
        for word in words:
            found = [
                segment.heading_occurrences(word) + self.offsets[number] for number, segment in enumerate(self.segments)
            ]
            pages = np.concatenate(found)
            if len(pages):
                scores[pages] += self._idf(len(pages))
        return scores

    def known_share(self, words: Sequence[str]) -> float:
        """Return how much of the words' rarity these pages know: 1 if every word occurs, less for unknown ones."""
        known = total = 0.0
        for word in words:
            pages = sum(len(np.unique(segment.pages_at(segment.occurrences(word)))) for segment in self.segments)
            total += self._idf(pages)
            known += self._idf(pages) if pages else 0.0
        return known / total if total else 1.0

    def best_passages(self, words: Sequence[str]) -> Scores:
        """Return each page's best window of about 120 terms, scored by the rarity of the words it holds."""
        scores = np.zeros(self.count)
        for number, segment in enumerate(self.segments):
            scores[self.offsets[number] : self.offsets[number + 1]] = self._segment_passages(segment, words)
        return scores

    def _segment_passages(self, segment: Segment, words: Sequence[str]) -> Scores:
        half = _WINDOW_TERMS // 2
        # Half windows never cross pages: every page starts a new one.
        halves = np.ceil(np.diff(segment.page_starts) / half).astype(np.int64) + 1
        first_half = np.concatenate(([0], np.cumsum(halves)))
        window_scores = np.zeros(int(first_half[-1]) + 1)
        for word in words:
            positions = segment.occurrences(word)
            if not len(positions):
                continue
            pages = segment.pages_at(positions)
            at = first_half[pages] + (positions - segment.page_starts[pages]) // half
            held = np.zeros(len(window_scores), bool)
            held[at] = True
            held[1:] |= held[:-1].copy()  # a window is a half and the one before it
            window_scores += held * self._idf(len(np.unique(pages)) + 1)
        return np.maximum.reduceat(window_scores, first_half[:-1]) if segment.page_count else np.zeros(0)

    def _idf(self, pages: int) -> float:
        return math.log(1 + (self.count - pages + 0.5) / (pages + 0.5)) if pages < self.count else 0.05


def score_pages(table: PageTable, question: Question, weights: Weights) -> Scores:
    """Return one score per page of the table; higher is better."""
    words = question.topic
    known = table.known_share(words)
    scores = weights.topic * known * _scaled(table.bm25([(word,) for word in words]))
    scores += weights.pairs * _scaled(table.bm25(list(pairwise(words))))
    scores += weights.phrases * _scaled(table.bm25(question.phrases))
    scores += weights.passage * known * _scaled(table.best_passages(words))
    scores += weights.headings * known * _scaled(table.headings(words))
    scores += weights.kind * _kind_match(table, question)
    if question.asks_reason:
        scores += weights.reason * table.kinds[:, KINDS.index(PageKind.DISCUSSION)]
    scores += weights.contents * table.kinds[:, KINDS.index(PageKind.CONTENTS)]
    return scores + weights.statement * _chosen_statements(table, question, scores)


def _chosen_statements(table: PageTable, question: Question, scores: Scores) -> Scores:
    """Mark, for every statement the question needs, the page that is most surely it."""
    marks = np.zeros(table.count)
    best = max(float(scores.max()), 1e-9)
    for kind in question.kinds:
        strength = table.kinds[:, KINDS.index(kind)]
        if kind is not PageKind.DISCUSSION and float(strength.max()) >= _SURE:
            marks[int(np.argmax(strength + 0.3 * scores / best))] = 1.0
    return marks


def _kind_match(table: PageTable, question: Question) -> Scores:
    """Return how far a page is of a wanted kind; squared, so that a mention of a statement counts little."""
    wanted = [KINDS.index(kind) for kind in question.kinds if kind is not PageKind.DISCUSSION]
    if not wanted:
        return np.zeros(table.count)
    return np.asarray(table.kinds[:, wanted].max(axis=1), np.float64) ** 2


def _scaled(scores: Scores) -> Scores:
    best = float(scores.max()) if len(scores) else 0.0
    return scores / best if best > 0 else scores
