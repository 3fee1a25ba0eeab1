"""Each task's examples carry targets that its own scorer calls correct."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.answers import NOT_FOUND_LINE, read_answer
from common.evidence import Document
from common.tables import Table
from training.statement_tables import read_statements, words
from training.tasks.base import Example, Outcome
from training.tasks.convfinqa import ConvFinqaTask
from training.tasks.explanations import NO_ANSWER, ExplanationTask
from training.tasks.finqa import FinqaTask, execution_result, target_line
from training.tasks.refusals import RefusalTask
from training.tasks.sentiment import SentimentTask, group_of, is_held_out, weighted_f1
from training.tasks.statements import StatementsTask
from training.tasks.tatqa import TatqaTask
from training.tasks.tatqa_extra import TatqaExtraTask, recover_line

GRID = [
    ["", "Years ended December 31,", ""],
    ["(in thousands)", "2019", "2018"],
    ["Net sales", "$1,200", "$1,000"],
    ["Cost of sales", "(700)", "(640)"],
    ["Research", "90", "55"],
    ["Tax", "200", "—"],
]
TEXT = "Net sales rose because of the acquisition of Acme in March, and prices were stable through the year."


def context(question: dict[str, Any]) -> dict[str, Any]:
    base = {"uid": "q", "order": 1, "derivation": "", "answer_from": "table", "scale": "", "rel_paragraphs": []}
    return {
        "table": {"uid": "t", "table": GRID},
        "paragraphs": [{"uid": "p", "order": 1, "text": TEXT}],
        "questions": [{**base, **question}],
    }


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


FINQA_TABLE = [["", "2014", "2013"], ["fuel expense", "$ 10592", "11109"], ["share", "33.2% ( 33.2 % )", "35.4"]]


@pytest.mark.parametrize(
    ("program", "gold", "question", "line"),
    [
        ("subtract(10592, 11109), divide(#0, 11109)", -0.04654, "what was the growth?", "=pct(10592,11109) | percent"),
        ("divide(10592, 33.2%)", 31903.61446, "what was the total?", "=10592/33.2% | none"),
        ("divide(10592, 11109)", 0.95346, "what percentage is it?", "=share(10592,11109) | percent"),
        ("divide(10592, 11109)", 0.95346, "what is the ratio?", "=10592/11109 | none"),
        ("greater(3, 2)", "yes", "is it more?", "=3>2 | none"),
        ("table_average(fuel expense, none)", 10850.5, "what is the average?", "=avg(10592,11109) | none"),
        ("add(1, 2), divide(#0, const_2)", 1.5, "what is the average?", "=avg(1,2) | none"),
        ("multiply(const_m1, 5)", -5.0, "what is it?", "=-1*5 | none"),
        ("add(1, 2)", 4.0, "what is it?", None),
    ],
)
def test_finqa_programs_become_verified_lines(program: str, gold: Any, question: str, line: str | None) -> None:
    found = target_line(program, FINQA_TABLE, question, gold)
    assert (None if found is None else str(found)) == line


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("=1/3 | none", 0.33333),
        ("=share(1,3) | percent", 0.33333),
        ("=3<2 | none", "no"),
        ("12.5% | none", 0.125),
        ("-5 | million", -5.0),
        ("not in the context", None),
    ],
)
def test_finqa_compares_to_five_digits(line: str, result: Any) -> None:
    assert execution_result(line) == result


def finqa_row(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "AAL/2014/page_18.pdf-3",
        "pre_text": ["fuel is bought daily .", "prices rose in 2014 ."],
        "post_text": [],
        "table": FINQA_TABLE,
        "question": "what was the growth of fuel expense ?",
        "exe_ans": -0.04654,
        "program": "subtract(10592, 11109), divide(#0, 11109)",
        "gold_inds": {"table_1": "..."},
    }
    return {**row, **changes}


def test_finqa_rows_hold_the_facts_and_score(tmp_path: Path) -> None:
    path = tmp_path / "finqa.jsonl"
    path.write_text(json.dumps(finqa_row()) + "\n")
    example = next(iter(FinqaTask().examples(path)))
    assert "fuel expense: 2014=10592; 2013=11109" in example.messages[1].content
    assert "share:" not in example.messages[1].content
    assert example.group == "AAL/2014/page_18.pdf"
    assert example.answer is not None
    assert FinqaTask().score(example, example.answer).outcome is Outcome.CORRECT
    assert FinqaTask().score(example, "=1 | none").outcome is Outcome.WRONG
    assert FinqaTask().score(example, "=1/0 | none").outcome is Outcome.UNPARSEABLE
    assert "share: 2014=33.2%; 2013=35.4" in next(iter(FinqaTask().page_examples(path))).messages[1].content


def test_retrieved_contexts_are_table_rows_again(tmp_path: Path) -> None:
    """Given a row sentence made by the retriever, then the prompt shows the row, not the sentence."""
    row = {
        "id": None,
        "question": "q ?",
        "contexts": [" the fuel expense of 2014 is $ 10592 ; the fuel expense of 2013 is 11109 ;", "prices rose ."],
        "table": FINQA_TABLE,
        "program": "add(1, 2)",
        "exe_ans": 3.0,
    }
    path = tmp_path / "retrieved.jsonl"
    path.write_text(json.dumps(row) + "\n")
    example = next(iter(FinqaTask().examples(path)))
    assert example.messages[1].content.startswith("fuel expense: 2014=10592; 2013=11109\nprices rose .")


def test_conversations_carry_their_earlier_turns(tmp_path: Path) -> None:
    conversation = {
        "id": "Single_MRO/2007/page_134.pdf-1",
        "doc": {
            "pre_text": "options .",
            "post_text": ".",
            "table": {"2007": {"price": 60.94}, "2005": {"price": 25.0}},
        },
        "dialogue": {
            "conv_questions": ["what was it in 2007?", "and in 2005?", "what was the change?"],
            "turn_program": ["60.94", "25.0", "subtract(60.94, 25.0)"],
            "executed_answers": [60.94, 25.0, 35.94],
        },
    }
    path = tmp_path / "conv.json"
    path.write_text(json.dumps([conversation]))
    last = list(ConvFinqaTask().examples(path))[-1]
    assert [message.content for message in last.messages[2:]] == [
        "60.94 | none",
        "Question: and in 2005?",
        "25.0 | none",
        "Question: what was the change?",
    ]
    assert "price: 2007=60.94; 2005=25" in last.messages[1].content
    assert last.answer is not None
    assert ConvFinqaTask().score(last, last.answer).outcome is Outcome.CORRECT


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
    assert is_held_out(example) == is_held_out(example)


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
