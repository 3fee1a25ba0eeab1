"""FinQA and ConvFinQA rows carry targets that their own scorers call correct."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.tasks.base import Outcome
from training.tasks.convfinqa import ConvFinqaTask
from training.tasks.finqa import FinqaTask, execution_result, target_line

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
