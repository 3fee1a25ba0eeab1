"""Keeps training rows apart from what is evaluated: leakage by table and text hash, duplicates, selection split."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from common.evidence import Document
from training.tasks.base import Example, drawn, text_hash

MIN_PARAGRAPH_CHARS = 120
# Filings repeat set phrases from page to page; a page counts as known when this share of its long paragraphs is.
KNOWN_TEXT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Split:
    """Rows for training and for choosing among recipes, and what was left out, counted by reason."""

    train: list[Example]
    selection: list[Example]
    dropped: Counter[str]


def table_marks(document: Document) -> frozenset[str]:
    """Return one hash per table, of its cells."""
    return frozenset(
        text_hash(["table", *(cell for row in table.rows for cell in (row.label, *row.cells) if cell)])
        for table in document.tables
        if table.rows
    )


def text_marks(document: Document) -> frozenset[str]:
    """Return one hash per long paragraph."""
    return frozenset(text_hash(["text", text]) for text in document.paragraphs if len(text) >= MIN_PARAGRAPH_CHARS)


def split(examples: Iterable[Example], held_out: Iterable[Example], selection_share: float, seed: int) -> Split:
    """Return the rows that may be trained on, without those that share a page, a table or much text with `held_out`.

    Whole connected contexts go to the selection split: those that share a table or text are never cut apart. Which ones
    is drawn from a hash of the seed and the group, so that adding rows moves no other row.
    """
    reserved: set[str] = set()
    known_texts: set[str] = set()
    for example in held_out:
        reserved |= _marks(example)
        known_texts |= text_marks(example.document) if example.document else set()
    dropped: Counter[str] = Counter()
    kept: list[Example] = []
    seen: set[str] = set()
    for example in examples:
        reason = _why_dropped(example, reserved, known_texts, seen)
        if reason:
            dropped[reason] += 1
            continue
        seen.add(_identity(example))
        kept.append(example)
    roots = _connected(kept)
    chosen = {root for root in set(roots) if drawn(f"{seed}:{root}") < selection_share}
    train = [example for example, root in zip(kept, roots, strict=True) if root not in chosen]
    selection = [example for example, root in zip(kept, roots, strict=True) if root in chosen]
    return Split(train, selection, dropped)


def extended(
    parts: Split, examples: Iterable[Example], held_out: Iterable[Example], selection_share: float, seed: int
) -> Split:
    """Return the rows of `examples` split so that none of them moves a row of `parts` or is known from there.

    Rows that share a page, a table or much text with the selection split are dropped like those that share it with
    `held_out`; contexts that share any of it with the training split are trained on, whatever is drawn for them.
    """
    known = {mark for example in parts.train for mark in _links(example)}
    asked = {_identity(example) for example in parts.train}
    examples = list(examples)
    fresh = [example for example in examples if _identity(example) not in asked]
    later = split(fresh, chain(held_out, parts.selection), selection_share, seed)
    later.dropped["asked in the training split already"] += len(examples) - len(fresh)
    roots = _connected(later.selection)
    tied = {root for example, root in zip(later.selection, roots, strict=True) if known & _links(example)}
    selection: list[Example] = []
    for example, root in zip(later.selection, roots, strict=True):
        (later.train if root in tied else selection).append(example)
    return Split(later.train, selection, +later.dropped)


def _why_dropped(example: Example, reserved: set[str], known_texts: set[str], seen: set[str]) -> str | None:
    if example.answer is None:
        return f"{example.source}: no verified answer"
    if reserved & _marks(example):
        return f"{example.source}: shares its page or table with an evaluation set"
    texts = text_marks(example.document) if example.document else frozenset()
    if texts and len(texts & known_texts) >= KNOWN_TEXT_SHARE * len(texts):
        return f"{example.source}: shares its text with an evaluation set"
    if _identity(example) in seen:
        return f"{example.source}: duplicate"
    return None


def _marks(example: Example) -> frozenset[str]:
    prompt = text_hash(["prompt", example.messages[-1].content])
    found = table_marks(example.document) if example.document else frozenset()
    return found | {prompt, f"group:{example.group}"}


def _links(example: Example) -> frozenset[str]:
    return _marks(example) | (text_marks(example.document) if example.document else frozenset())


def _identity(example: Example) -> str:
    return text_hash([message.content for message in example.messages])


def _connected(examples: Sequence[Example]) -> list[str]:
    """Return one name per example; examples linked by any shared mark, directly or through others, have the same."""
    parent: dict[str, str] = {}

    def find(mark: str) -> str:
        parent.setdefault(mark, mark)
        while parent[mark] != mark:
            parent[mark] = parent[parent[mark]]
            mark = parent[mark]
        return mark

    names = [f"{example.task}:{example.group}" for example in examples]
    for example, name in zip(examples, names, strict=True):
        for mark in sorted(_links(example)):
            left, right = find(name), find(mark)
            parent[max(left, right)] = min(left, right)
    return [find(name) for name in names]
