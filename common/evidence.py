"""Chooses the table rows and sentences that matter for a question, and says what was left out; pure, no I/O."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from common.concepts import printed_phrases, without_instructions
from common.numbers import Scale, mentioned_scales
from common.relevance import Relevance
from common.tables import Table

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’)]*\s+(?=[A-Z(“\"•$€£0-9])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Inc|Corp|Ltd|Co|No|Nos|vs|approx|St|Mr|Ms|Dr|Jr|Sr|etc|e\.g|i\.e)|\b[A-Z])\.[\"”’)]*$"
)
_SCALE_CAPTION = re.compile(
    r"\bin\s+(?:[\w$€£.]+\s+){0,2}?(?:thousands|millions|billions|[$€£]?\s?['’‘]?000['’]?s?\b)"
    r"|\([^()]{0,40}(?:thousands|millions|billions|['’‘]000s?)[^()]{0,60}\)"
    r"|[\w$€£]+\s['’‘]000s?\b",
    re.I,
)
# Questions about a table as a whole need its rows even where no label is named.
_WHOLE_TABLE = re.compile(
    r"\b(?:how many|which|components?|items?|categor\w+|types?|highest|lowest|largest|smallest|most|least|total|list"
    r"|shown|included)\b",
    re.I,
)

_ASKS_SHARE = re.compile(r"percent|%|\b(?:share|proportion|portion|ratio|margin|rate)s?\b", re.I)


@dataclass(frozen=True, slots=True)
class Document:
    """A page's content in reading order of kinds: its tables, then its paragraphs."""

    tables: tuple[Table, ...]
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much evidence to keep, in estimated tokens of compact text.

    A page of at most `page_tokens` is kept whole, so that every question about it has the same prompt up to the
    question: a prefix that training computes once and that serving finds in its cache.
    """

    table_tokens: int
    text_tokens: int
    page_tokens: int = 0


# Chosen on the training questions: see docs/training.md for the tokens and the recall of each level.
WHOLE = Budget(table_tokens=1_000_000, text_tokens=1_000_000)
BALANCED = Budget(table_tokens=420, text_tokens=230, page_tokens=750)
TIGHT = Budget(table_tokens=300, text_tokens=130)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What goes into the prompt, with counts of what was kept and dropped."""

    text: str
    rows_kept: int
    rows_dropped: int
    sentences_kept: int
    sentences_dropped: int


def select_evidence(question: str, document: Document, budget: Budget = BALANCED) -> Evidence:
    """Return the compact evidence for a question: table rows first, then sentences, both in their own order.

    Rows and sentences are ranked by the question's words, rare words counting more (inverse document frequency); the
    same input always gives the same text.
    """
    if not _ASKS_SHARE.search(question):
        document = replace(document, tables=tuple(table.without_side_shares() for table in document.tables))
    sentences = [sentence for paragraph in document.paragraphs for sentence in split_sentences(paragraph)]
    if budget == WHOLE or is_kept_whole(document, budget):
        kept_sentences = frozenset(range(len(sentences)))
        kept_rows = [frozenset(range(len(table.rows))) for table in document.tables]
    else:
        kept_sentences, kept_rows = _chosen(question, document, sentences, budget)
    table_texts = [
        table.text(rows) for table, rows in zip(document.tables, kept_rows, strict=True) if rows or not table.rows
    ]
    rows_kept, rows_total = sum(map(len, kept_rows)), sum(len(table.rows) for table in document.tables)
    text = "\n".join(
        part
        for part in (scale_line(document), *table_texts, *(sentences[number] for number in sorted(kept_sentences)))
        if part
    )
    return Evidence(text, rows_kept, rows_total - rows_kept, len(kept_sentences), len(sentences) - len(kept_sentences))


def _chosen(
    question: str, document: Document, sentences: Sequence[str], budget: Budget
) -> tuple[frozenset[int], list[frozenset[int]]]:
    """Return the sentences to keep and the rows to keep of each table."""
    lines = [table.line(row) for table in document.tables for row in table.rows]
    asked = without_instructions(question)
    rank = Relevance(asked, [*sentences, *lines], printed_phrases(asked))
    kept = _within(sentences, [rank.score(sentence) for sentence in sentences], budget.text_tokens)
    return kept, _kept_rows(document, rank, question, budget.table_tokens)


def is_kept_whole(document: Document, budget: Budget = BALANCED) -> bool:
    """Tell whether the whole document fits into the budget's page, whatever is asked about it."""
    if not budget.page_tokens:
        return False
    lines = (table.line(row) for table in document.tables for row in table.rows)
    return sum(map(estimated_tokens, chain(lines, document.paragraphs))) <= budget.page_tokens


def rank_sentences(question: str, document: Document) -> list[str]:
    """Return the document's sentences, the one that fits the question best first."""
    sentences = [sentence for paragraph in document.paragraphs for sentence in split_sentences(paragraph)]
    rank = Relevance(question, sentences)
    order = sorted(range(len(sentences)), key=lambda number: (-rank.score(sentences[number]), number))
    return [sentences[number] for number in order]


def scale_line(document: Document) -> str:
    """Return `Amounts in thousand` where the tables' headers, or else the text, name one scale for their amounts."""
    headers = " ".join(f"{table.title} {' '.join(table.columns)}" for table in document.tables)
    labels = " ".join(row.label for table in document.tables for row in table.rows[:1])
    scales = mentioned_scales(headers) or mentioned_scales(labels)
    if len(scales) != 1:
        captions = [found[0] for paragraph in document.paragraphs for found in _SCALE_CAPTION.finditer(paragraph)]
        money_first = sorted(captions, key=lambda caption: "share" in caption.lower().split(",")[0])
        scales = mentioned_scales(money_first[0]) if money_first else scales
    named = sorted(scale for scale in scales if scale is not Scale.PERCENT)
    return f"Amounts in {named[0]}" if len(named) == 1 else ""


def split_sentences(paragraph: str) -> list[str]:
    """Return a paragraph's sentences; abbreviations and single initials do not end one."""
    sentences: list[str] = []
    for piece in _SENTENCE_END.split(" ".join(paragraph.split())):
        if sentences and _ABBREVIATION.search(sentences[-1]):
            sentences[-1] = f"{sentences[-1]} {piece}"
        elif piece:
            sentences.append(piece)
    return sentences


def estimated_tokens(text: str) -> float:
    """Return about how many tokens the text takes: Qwen2 gives every digit and most signs one of their own."""
    letters = sum(map(str.isalpha, text))
    spaces = text.count(" ")
    return (len(text) - letters - spaces) + letters / 4.6


def _kept_rows(document: Document, rank: Relevance, question: str, budget_tokens: int) -> list[frozenset[int]]:
    """Return the rows to keep of each table; the rows of all tables compete for one budget."""
    rows = [(number, row) for number, table in enumerate(document.tables) for row in table.rows]
    lines = [document.tables[number].line(row) for number, row in rows]
    scores = [rank.score(row.label) for _, row in rows]
    if _WHOLE_TABLE.search(question) and max(scores, default=0) == 0:
        scores = [float(len(lines) - at) for at in range(len(lines))]
    chosen = _within(lines, scores, budget_tokens)
    kept: list[frozenset[int]] = []
    first = 0
    for table in document.tables:
        own = frozenset(at - first for at in chosen if first <= at < first + len(table.rows))
        kept.append(own | _sections_of(table, own))
        first += len(table.rows)
    return kept


def _sections_of(table: Table, kept: frozenset[int]) -> frozenset[int]:
    """Return the headings under which the kept rows stand."""
    headings: set[int] = set()
    heading: int | None = None
    for number, row in enumerate(table.rows):
        if row.is_section:
            heading = number
        elif number in kept and heading is not None:
            headings.add(heading)
    return frozenset(headings)


def _within(units: Sequence[str], scores: Sequence[float], budget_tokens: int) -> frozenset[int]:
    """Return the best units that fit; a unit next to a very good one is tried before a distant weak one."""
    if sum(map(estimated_tokens, units)) <= budget_tokens:
        return frozenset(range(len(units)))
    near = [
        score
        + 0.3 * max((scores[other] for other in (number - 1, number + 1) if 0 <= other < len(scores)), default=0.0)
        for number, score in enumerate(scores)
    ]
    kept: set[int] = set()
    used = 0.0
    for number in sorted(range(len(units)), key=lambda index: (-near[index], index)):
        cost = estimated_tokens(units[number])
        if used + cost > budget_tokens and kept:
            continue
        kept.add(number)
        used += cost
    return frozenset(kept)
