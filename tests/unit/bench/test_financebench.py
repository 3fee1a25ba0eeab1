"""How FinanceBench answers are judged and counted, and what is asked where a report is missing."""

from pathlib import Path
from typing import Any

import pytest

from common.queries import Row, RowStatus
from tests.bench.financebench import Asked, counts, grouped, page_document
from tests.bench.financebench_cases import Case
from tests.bench.financebench_score import Outcome, Rule, agrees, outcome, rule_for


@pytest.mark.parametrize(
    ("published", "answer", "expected"),
    [
        ("$1577.00", "$1,577 million", True),
        ("$1577.00", "1,577", True),
        ("$1577.00", "$1.577 billion", True),
        ("$1577.00", "$1,677 million", False),
        ("$8.70", "$8,700 million", True),
        ("30.8%", "30.78%", True),
        ("30.8%", "0.308", True),
        ("30.8%", "31.4%", False),
        ("0.4%", "-0.4%", False),
        ("1.73", "1.7", False),
        ("93.86", "93.9", True),
        ("$0.40", "2,022", False),
    ],
)
def test_a_lone_figure_must_be_equal(published: str, answer: str, expected: bool) -> None:
    """Given a published figure, when answers are judged, then the same amount in any scale is right."""
    assert rule_for(published) is Rule.NUMBER
    assert agrees(published, answer) is expected


@pytest.mark.parametrize(
    ("published", "rule", "right", "wrong"),
    [
        ("Yes, the margins were stable.", Rule.VERDICT, "yes", "no"),
        ("No. Debt fell by $2.5bn.", Rule.VERDICT, "No, it fell.", "It fell by $2.5bn."),
        ("JnJ realised $13.2 billion in cash proceeds.", Rule.FIGURES, "$13.2 billion", "$13.7 billion"),
        ("Sales rose by 9% in FY2022.", Rule.FIGURES, "9%", "2022"),
        ("The segment shrunk by 0.9% organically.", Rule.FIGURES, "-0.9%", "0.9 million"),
        ("Trillium, Array, and Therachon", Rule.WORDS, "Trillium and Array", "Therachon"),
    ],
)
def test_text_is_judged_by_the_stated_rule(published: str, rule: Rule, right: str, wrong: str) -> None:
    """Given a published text, when answers are judged, then yes or no decides, else its figures, else its words."""
    assert rule_for(published) is rule
    assert agrees(published, right)
    assert not agrees(published, wrong)


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "index": 0, "document_id": "d", "document": "A.pdf", "question_id": "q", "question": "?",
        "status": RowStatus.SUCCEEDED, "text": "5%", "kind": "number", "verification": "verified",
    }  # fmt: skip
    return Row.model_validate(values | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Outcome.CORRECT),
        ({"text": "6%"}, Outcome.WRONG),
        ({"kind": "not_found", "text": "The context does not hold the answer."}, Outcome.REFUSED),
        ({"status": RowStatus.FAILED, "text": None}, Outcome.FAILED),
    ],
)
def test_every_row_has_one_outcome(changes: dict[str, Any], expected: Outcome) -> None:
    assert outcome("5%", row(**changes)) is expected


def case(number: int, document: str = "A.pdf", pages: tuple[str, ...] = ("page",)) -> Case:
    return Case(f"id{number}", f"question {number}", "5%", document, frozenset({(document, number)}), pages)


def test_outcomes_are_counted_apart_from_doubts() -> None:
    """Given answers of every kind, when counted, then outcomes add up and doubts are counted among answers alone."""
    prompts = {"prompts": [{"stands": False}, {"stands": True}]}
    rows = (
        row(evidence=prompts, confidence=0.9),
        row(text="6%", confidence=0.8),
        row(text="7%", verification="unverified", confidence=0.79),
        row(kind="not_found", verification="no numbers"),
        row(status=RowStatus.FAILED, text=None, verification=None),
    )
    assert counts([Asked("reports", case(number), one) for number, one in enumerate(rows)]) == {
        "questions": 5, "correct": 1, "wrong": 2, "refused": 1, "failed": 1, "unverified": 1, "verified_but_wrong": 1,
        "sure": 2, "sure_but_wrong": 1, "second_chance": 1,
    }  # fmt: skip


def test_a_missing_report_is_the_pages_that_are_known() -> None:
    """Given questions that share evidence, when their document is made, then each page is in it once."""
    first, second = case(1, pages=("Revenue\n100\n90",)), case(2, pages=("Revenue\n100\n90", "Cash\n7"))
    assert page_document([first, second]) == "Revenue\n100\n90\fCash\n7"


def test_questions_are_grouped_by_their_report() -> None:
    """Given questions about two reports, when grouped, then each report is there once with its questions."""
    papers = grouped("reports", [case(1), case(2, "B.pdf"), case(3)], Path("reports"))
    assert [(paper.name, [one.id for one in paper.cases]) for paper in papers] == [
        ("A.pdf", ["id1", "id3"]),
        ("B.pdf", ["id2"]),
    ]
