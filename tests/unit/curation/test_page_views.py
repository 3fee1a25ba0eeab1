"""A page's other views keep what its questions and answers mean, over figures, years and orders of their own."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from common.answers import read_answer
from tests.unit.curation.pages import context
from training.tasks.base import Example
from training.tasks.page_views import PageView, views_of
from training.tasks.tatqa import TatqaTask

SALES = {
    "uid": "a",
    "question": "What were net sales in 2019?",
    "answer": ["$1,200"],
    "answer_type": "span",
    "scale": "thousand",
}
GROWTH = {
    "uid": "b",
    "question": "What is the percentage change in net sales from 2018 to 2019?",
    "answer": 20,
    "answer_type": "arithmetic",
    "derivation": "(1,200-1,000)/1,000",
    "scale": "percent",
}
REASON = {
    "uid": "c",
    "question": "Why did net sales rise?",
    "answer": ["because of the acquisition of Acme in March"],
    "answer_type": "span",
}


def rows(tmp_path: Path) -> list[Example]:
    path = tmp_path / "page.json"
    questions = [context(question)["questions"][0] for question in (SALES, GROWTH, REASON)]
    path.write_text(json.dumps([{**context({}), "questions": questions}]))
    return list(TatqaTask().examples(path))


@pytest.mark.parametrize("seed", range(8))
def test_a_view_answers_the_same_questions_over_other_figures(tmp_path: Path, seed: int) -> None:
    """Given a page's rows, when viewed, then amounts and years are others and every answer is still the right one."""
    sales, growth, reason = views_of(rows(tmp_path), seed)

    asked = sales.gold["question"].split()[-1].rstrip("?")
    figure = (sales.answer or "").removesuffix(" | thousand")
    assert asked != "2019"
    assert f"{asked}={figure}" in sales.messages[-1].content.split("Net sales:")[1].split("\n")[0]
    assert figure not in ("1200", "1000")
    value = read_answer(growth.answer or "", growth.document).value
    assert value is not None
    assert abs(value - 20) < Decimal("0.2")
    assert reason.answer == "because of the acquisition of Acme in March | none"


def test_rows_of_a_page_share_its_view_and_its_prompt(tmp_path: Path) -> None:
    """Given rows of one page, when viewed, then their prompts are equal up to the question, so training shares them."""
    pages = {row.messages[-1].content.split("\n\nQuestion: ")[0] for row in views_of(rows(tmp_path), 3)}
    assert len(pages) == 1
    assert pages != {rows(tmp_path)[0].messages[-1].content.split("\n\nQuestion: ")[0]}


def test_the_same_seed_gives_the_same_view_and_another_another(tmp_path: Path) -> None:
    first, again, other = (list(views_of(rows(tmp_path), seed)) for seed in (1, 1, 2))
    assert first == again
    assert [row.messages for row in first] != [row.messages for row in other]


def test_rows_without_an_answer_or_a_page_have_no_view(tmp_path: Path) -> None:
    sales, *_ = rows(tmp_path)
    assert not list(views_of([replace(sales, answer=None)], 1))
    assert not list(views_of([replace(sales, document=None)], 1))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("sales were $1,200 thousand in 2019", "sales were $2,400 thousand in 2021"),
        ("a rise of 12.5% under ASC 606 and Section 401", "a rise of 12.5% under ASC 606 and Section 401"),
        ("it cost 3.40 million", "it cost 6.80 million"),
        ("five stores and 31 cars", "five stores and 31 cars"),
        ("$2019 million", "$4038 million"),
    ],
)
def test_amounts_and_years_move_and_nothing_else(text: str, seen: str) -> None:
    """Given running text, when viewed, then amounts are multiplied and years moved; rates, codes and counts stay."""
    assert PageView(Decimal(2), 2, frozenset()).text(text) == seen


@pytest.mark.parametrize(
    ("cell", "seen"), [("(1,234)", "(2,468)"), ("$ 10.50", "$ 21.00"), ("15%", "15%"), ("77", "77"), ("—", "—")]
)
def test_cells_keep_how_they_are_printed(cell: str, seen: str) -> None:
    """Given a cell, when viewed, then brackets, signs, commas and decimals are those of the print."""
    assert PageView(Decimal(2), 0, frozenset({Decimal("1234"), Decimal("10.50")})).cell(cell) == seen


def test_glued_years_keep_every_year_of_the_page(tmp_path: Path) -> None:
    """Given a page with `2018/19`, when viewed, then no year moves: the two could not move together."""
    page = context(SALES)
    page["paragraphs"][0]["text"] = "In 2018/19 prices were stable."
    path = tmp_path / "glued.json"
    path.write_text(json.dumps([page]))
    (row,) = views_of(TatqaTask().examples(path), 5)
    assert row.gold["question"] == "What were net sales in 2019?"
