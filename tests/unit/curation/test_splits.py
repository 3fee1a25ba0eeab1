"""Evaluation pages stay out of training, contexts stay whole, and every draw repeats."""

from dataclasses import replace

from common.evidence import Document
from common.prompts import figures_messages
from common.tables import Table
from training.splits import split
from training.tasks.base import Example


def example(uid: str, group: str, figure: str = "5", text: str = "short") -> Example:
    document = Document((Table.from_cells([["", "2019"], ["Cash", figure]]),), (text,))
    return Example("tatqa", uid, figures_messages(uid, figure), f"{figure} | none", {}, group, "MIT", "src", document)


LONG = "Revenue is recognised when control of the promised goods or services is transferred to the customer. " * 2


def test_shared_pages_tables_prompts_and_texts_are_dropped() -> None:
    """Given rows that share something with an evaluation set, when split, then each is left out with its reason."""
    held = [example("h", "page-1", "77", LONG)]
    rows = [
        example("same page", "page-1", "1"),
        example("same table", "page-2", "77"),
        replace(example("x", "page-3", "3"), messages=held[0].messages),
        example("same text", "page-4", "4", LONG.upper()),
        replace(example("none", "page-5", "6"), answer=None),
        example("kept", "page-6", "8"),
        example("kept", "page-6", "8"),
    ]
    parts = split(rows, held, 0.0, seed=1)
    assert [row.uid for row in parts.train] == ["kept"]
    assert dict(parts.dropped) == {
        "src: shares its page or table with an evaluation set": 3,
        "src: shares its text with an evaluation set": 1,
        "src: no verified answer": 1,
        "src: duplicate": 1,
    }


def test_linked_contexts_are_never_cut_apart() -> None:
    """Given pages linked by a table or a long paragraph, when split at any seed, then they land on one side."""
    rows = [example(f"q{page}-{number}", f"page-{page}", str(page)) for page in range(30) for number in range(3)]
    rows += [example(f"linked-{page}", f"other-{page}", str(page)) for page in range(30)]
    for seed in range(5):
        parts = split(rows, [], 0.3, seed)
        assert len(parts.train) + len(parts.selection) == len(rows)
        tables = [{row.messages[1].content[:2].strip() for row in side} for side in (parts.train, parts.selection)]
        assert parts.selection
        assert not tables[0] & tables[1]


def test_adding_rows_moves_no_other_row() -> None:
    rows = [example(f"q{page}", f"page-{page}", str(page)) for page in range(40)]
    before = {row.uid for row in split(rows, [], 0.3, seed=1).selection}
    after = {row.uid for row in split([*rows, example("new", "page-new", "99")], [], 0.3, seed=1).selection}
    assert after - {"new"} == before
