"""TAT-QA, sentiment and statement rows carry targets that their own scorers call correct."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.answers import NOT_FOUND_LINE, read_answer
from common.evidence import Document
from common.tables import Table
from tests.unit.curation.pages import GRID, TEXT, context
from training.statement_tables import read_statements, words
from training.tasks.base import Example, Outcome
from training.tasks.sentiment import SentimentTask, group_of, is_held_out, weighted_f1
from training.tasks.statements import StatementsTask
from training.tasks.tatqa import TatqaTask
from training.tasks.tatqa_extra import TatqaExtraTask, recover_line


def tatqa(tmp_path: Path, question: dict[str, Any]) -> Example:
    path = tmp_path / "tatqa.json"
    path.write_text(json.dumps([context(question)]))
    return next(iter(TatqaTask().examples(path)))


@pytest.mark.parametrize(
    ("question", "line"),
    [
        (
            {
                "question": "Change in cost of sales?",
                "answer": -60,
                "answer_type": "arithmetic",
                "derivation": "-700-(-640)",
            },
            "=-700-(-640) | none",
        ),
        (
            {
                "question": "Percentage change in net sales?",
                "answer": 20,
                "answer_type": "arithmetic",
                "derivation": "(1,200-1,000)/1,000",
                "scale": "percent",
            },
            "=pct(1200,1000) | percent",
        ),
        (
            {"question": "Cost?", "answer": ["(700)", "(640)"], "answer_type": "multi-span", "scale": "thousand"},
            "-700 ## -640 | thousand",
        ),
        (
            {
                "question": "How many years did research exceed 50?",
                "answer": 2,
                "answer_type": "count",
                "derivation": "2019##2018",
            },
            "#2019 ## 2018 | none",
        ),
        (
            {"question": "Why?", "answer": ["the acquisition of Acme"], "answer_type": "span"},
            "the acquisition of Acme | none",
        ),
    ],
)
def test_tatqa_targets_score_an_exact_match(tmp_path: Path, question: dict[str, Any], line: str) -> None:
    example = tatqa(tmp_path, question)
    assert example.answer == line
    score = TatqaTask().score(example, line)
    assert (score.outcome, score.metrics) == (Outcome.CORRECT, {"em": 1.0, "f1": 1.0, "scale": 1.0})


def test_tatqa_counts_refused_and_unparseable_apart(tmp_path: Path) -> None:
    example = tatqa(tmp_path, {"question": "Tax?", "answer": ["200"], "answer_type": "span"})
    task = TatqaTask()
    assert task.score(example, "201 | none").outcome is Outcome.WRONG
    assert task.score(example, NOT_FOUND_LINE).outcome is Outcome.REFUSED
    broken = task.score(example, "201 dollars")
    assert (broken.outcome, broken.prediction) == (Outcome.UNPARSEABLE, ["", ""])


def test_a_derivation_that_misses_its_answer_gives_no_target(tmp_path: Path) -> None:
    question = {"question": "Change?", "answer": 999, "answer_type": "arithmetic", "derivation": "1-2"}
    assert tatqa(tmp_path, question).answer is None


@pytest.mark.parametrize(
    ("question", "answer_text", "line"),
    [
        ("What were net sales in 2019?", "$1,200 thousand", "1200 | thousand"),
        ("What was cost of sales in 2019 and 2018?", "(700), (640) thousand", "-700 ## -640 | thousand"),
        ("Why did net sales rise?", "because of the acquisition of Acme", "because of the acquisition of Acme | none"),
        ("What is the percentage change in net sales?", "20 percent", "=pct(1200,1000) | percent"),
        ("How many segments are there?", "7", None),
        ("What is the change in net sales?", "12345 thousand", None),
    ],
)
def test_lost_answer_types_are_recovered(question: str, answer_text: str, line: str | None) -> None:
    document = Document((Table.from_cells(GRID),), (TEXT,))
    found = recover_line(question, answer_text, document)
    assert (None if found is None else str(found)) == line


def test_a_recovered_row_scores_against_itself(tmp_path: Path) -> None:
    path = tmp_path / "extra.jsonl"
    row = {"uid": "u", "question": "What were net sales in 2019?", "table": GRID, "paragraphs": [{"text": TEXT}]}
    path.write_text(json.dumps({**row, "answer_text": "$1,200 thousand"}) + "\n")
    example = next(iter(TatqaExtraTask().examples(path)))
    assert example.answer is not None
    assert TatqaExtraTask().score(example, example.answer).outcome is Outcome.CORRECT


def test_sentiment_groups_and_scores(tmp_path: Path) -> None:
    path = tmp_path / "tfns.jsonl"
    path.write_text(
        json.dumps({"id": "a", "text": "Profit up https://t.co/1", "label": "positive", "label_id": 1}) + "\n"
    )
    example = next(iter(SentimentTask().examples(path)))
    assert SentimentTask().score(example, " positive ").outcome is Outcome.CORRECT
    assert SentimentTask().score(example, "neutral").outcome is Outcome.WRONG
    assert SentimentTask().score(example, "great").outcome is Outcome.UNPARSEABLE
    assert group_of("Profit up https://t.co/1") == group_of("PROFIT, up! https://t.co/2")
    held = sum(is_held_out(replace(example, group=f"tweet {number}")) for number in range(400))
    assert 60 < held < 140


def test_weighted_f1_weighs_labels_by_their_rows() -> None:
    gold, predicted = ["a", "a", "b", "b"], ["a", "b", "b", None]
    assert weighted_f1(gold, predicted) == pytest.approx(0.5 * 2 / 3 + 0.5 * 0.5)


def test_statement_questions_are_checked_and_repeatable() -> None:
    """Given a table, when questions are drawn twice with one seed, then they are equal and each target is right."""
    document = Document((Table.from_cells(GRID),), ())
    task = StatementsTask(30, seed=3)
    examples = list(task.over(document, "page", "MIT", "test"))
    assert examples == list(task.over(document, "page", "MIT", "test"))
    assert len(examples) == 30
    for example in examples:
        assert example.answer is not None
        assert task.score(example, example.answer).outcome is Outcome.CORRECT
        assert task.score(example, "nothing | none").outcome is not Outcome.CORRECT
    more = [row for seed in range(8) for row in StatementsTask(20, seed).over(document, "page", "MIT", "test")]
    kinds = {read_answer(row.answer or "", None).kind.value for row in more}
    assert kinds == {"number", "spans", "count"}


def test_fact_tables_become_statements(tmp_path: Path) -> None:
    rows = ["fact,value,units,start_date,end_date,period"]
    names = ["AssetsCurrent", "OtherAssetsNoncurrent", "Liabilities", "GrossProfit", "IncomeTaxesPaidNet"]
    rows += [
        f"{name},{-5_000_000 * at - 1_000_000},USD,,{year}-09-30,"
        for at, name in enumerate(names)
        for year in (2022, 2021)
    ]
    path = tmp_path / "facts.csv"
    path.write_text("\n".join([*rows, "Text,hello,,,2022-01-01,", "Shares,5,shares,,2022-01-01,"]))
    document = next(iter(read_statements(path, seed=1)))
    assert document.tables[0].columns == ("2022", "2021")
    assert [row.label for row in document.tables[0].rows][:2] == ["Assets current", "Other assets noncurrent"]
    assert document.tables[0].rows[0].cells[0].lstrip("$") in ("(1)", "(1,000)")
    assert list(read_statements(path, seed=1)) == list(read_statements(path, seed=1))


def test_concept_names_become_words() -> None:
    assert words("PropertyPlantAndEquipmentNet") == "Property plant and equipment net"
    assert words("EPSBasic2") == "EPS basic 2"
