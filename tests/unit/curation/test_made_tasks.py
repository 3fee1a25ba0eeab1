"""Refusals and explanations are made from answered questions, and their scorers tell them from other outputs."""

import json
from pathlib import Path

from common.answers import NOT_FOUND_LINE
from tests.unit.curation.pages import TEXT, context
from training.tasks.base import Example, Outcome
from training.tasks.explanations import NO_ANSWER, ExplanationTask
from training.tasks.refusals import RefusalTask
from training.tasks.tatqa import TatqaTask


def answered(tmp_path: Path) -> list[Example]:
    questions = [
        {
            "uid": "a",
            "question": "What were net sales in 2019?",
            "answer": ["$1,200"],
            "answer_type": "span",
            "scale": "thousand",
        },
        {
            "uid": "b",
            "question": "Why did net sales rise?",
            "answer": ["because of the acquisition of Acme in March"],
            "answer_type": "span",
        },
    ]
    other = context(
        {"uid": "c", "question": "How did staff costs develop lately?", "answer": ["x y"], "answer_type": "span"}
    )
    other["table"] = {
        "uid": "o",
        "table": [["", "2019", "2018"], ["Headcount", "5", "4"], ["Offices", "2", "1"], ["Sites", "9", "8"]],
    }
    other["paragraphs"] = [{"uid": "p2", "order": 1, "text": "Nothing x y was reported."}]
    path = tmp_path / "answered.json"
    path.write_text(json.dumps([{**context({}), "questions": [context(q)["questions"][0] for q in questions]}, other]))
    return list(TatqaTask().examples(path))


def test_refusals_take_the_evidence_away(tmp_path: Path) -> None:
    """Given answered questions, when refusals are made, then the figure asked for is nowhere in their prompts."""
    rows = list(RefusalTask().over(answered(tmp_path) * 12, 12, seed=1))
    assert {row.gold["kind"] for row in rows} == {"evidence removed", "another page"}
    for row in rows:
        assert row.answer == NOT_FOUND_LINE
        if row.uid.startswith("a#"):
            assert "1200" not in row.messages[1].content
        # A service is sent the prompt's evidence, never the page that holds the answer.
        assert row.context is None
        assert RefusalTask().score(row, NOT_FOUND_LINE).outcome is Outcome.CORRECT
        assert RefusalTask().score(row, "5 | none").outcome is Outcome.WRONG


def test_explanations_quote_and_compute(tmp_path: Path) -> None:
    """Given answered questions, then reasons are whole sentences of the page and trends state its figures."""
    rows = list(ExplanationTask().over(answered(tmp_path), 6, seed=2))
    by_kind = {row.gold["kind"]: row for row in rows}
    assert by_kind["reason"].answer == TEXT
    assert " rose from " in (by_kind["trend"].answer or "")
    assert by_kind["refusal"].answer == NO_ANSWER
    for row in rows:
        assert ExplanationTask().score(row, row.answer or "").outcome is Outcome.CORRECT
    assert ExplanationTask().score(by_kind["trend"], "Sales rose to 99,999.").metrics["grounded"] == 0
