"""What was written for the project: what it becomes, and that each answer holds on its page."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from common.answers import SENTIMENT_LABELS, AnswerKind, read_answer
from common.calculator import calculate
from common.evidence import Budget, select_evidence
from common.tables import compact_cell
from tests.unit.curation.pages import context
from training import sources
from training.mix import collect, derived
from training.splits import split
from training.tasks.base import Example, Outcome
from training.tasks.finqa import FinqaTask
from training.tasks.refusals import RefusalTask
from training.tasks.sentiment import SentimentTask
from training.tasks.tatqa import TatqaTask
from training.tasks.written import FURTHER, NOTES, PAGES, QUESTIONS, written_headlines, written_pages, written_questions

WHOLE = Budget(100_000, 100_000, 100_000)
CONSTANTS = {"1", "2", "3", "4", "5", "6", "12", "100", "365", "1000", "1000000"}


def _examples(folder: Path, *rows: dict[str, str]) -> list[Example]:
    question = {"uid": "q", "question": "What was the tax in 2019?", "answer": ["200"], "answer_type": "span"}
    page = context(question)
    (folder / "pages.json").write_text(json.dumps([page]))
    (asked,) = TatqaTask().examples(folder / "pages.json")
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps({"page": asked.group} | row) + "\n" for row in rows))
    return list(written_questions([asked], path))


@pytest.mark.parametrize(
    ("answer", "gold", "kind", "scale"),
    [
        ("=1200-1000 | thousand", "200.00", "arithmetic", "thousand"),
        ("=pct(1200,1000) | percent", "20.00", "arithmetic", "percent"),
        ("the acquisition of Acme in March | none", ["the acquisition of Acme in March"], "span", ""),
        ("1200 ## 1000 | thousand", ["$1,200", "$1,000"], "multi-span", "thousand"),
        ("#2019 ## 2018 | none", "2", "count", ""),
    ],
)
def test_a_written_line_is_target_and_gold(
    tmp_path: Path, answer: str, gold: str | list[str], kind: str, scale: str
) -> None:
    """Given a question with its line, then the line is the target, and the scorer finds it right."""
    (example,) = _examples(tmp_path, {"question": "What of it?", "answer": answer})
    assert example.answer == answer
    assert example.gold["answer_type"] == kind
    assert example.gold["scale"] == scale
    assert example.gold["answer"] == gold
    assert TatqaTask().score(example, answer).outcome is Outcome.CORRECT
    assert "Question: What of it?" in example.messages[-1].content
    assert "Net sales: 2019=1200" in example.messages[-1].content


def test_questions_of_one_page_have_names_of_their_own_and_belong_together(tmp_path: Path) -> None:
    """Given two questions about a page, then their uids differ and their group is the page's."""
    rows = [{"question": question, "answer": "1200 | thousand"} for question in ("What was it?", "How much was it?")]
    first, second = _examples(tmp_path, *rows)
    assert first.uid != second.uid
    assert first.group == second.group
    assert first.document == second.document


def test_lines_that_cannot_be_read_and_pages_that_are_not_there_give_no_target(tmp_path: Path) -> None:
    """Given a broken program and a page that the file lacks, then one has no target and the other is passed over."""
    rows = [
        {"question": "What of it?", "answer": "=1200- | thousand"},
        {"question": "Where?", "answer": "1200 | thousand", "page": "elsewhere"},
    ]
    (example,) = _examples(tmp_path, *rows)
    assert example.answer is None


def test_a_written_page_is_read_as_the_service_reads_a_context(tmp_path: Path) -> None:
    """Given a page with a figure, a refusal and a broken line, then prompt, target and task are each one's own."""
    page = {
        "page": "harbor",
        "context": "(in thousands)\n | 2019 | 2018\nNet sales | $1,200 | $1,000\nSales rose because of prices.",
        "questions": [
            {"question": "What were net sales in 2019?", "answer": "1200 | thousand"},
            {"question": "What was capex in 2019?", "answer": "not in the context"},
            {"question": "What of it?", "answer": "=1200- | thousand"},
        ],
    }
    (tmp_path / "pages.jsonl").write_text(json.dumps(page) + "\n")
    figure, refusal, broken = written_pages(tmp_path / "pages.jsonl")
    assert "Net sales: 2019=1200; 2018=1000" in figure.messages[-1].content
    assert TatqaTask().score(figure, "1200 | thousand").outcome is Outcome.CORRECT
    assert (refusal.task, refusal.answer) == ("refusal", "not in the context")
    assert RefusalTask().score(refusal, "not in the context").outcome is Outcome.CORRECT
    assert broken.answer is None
    assert len({example.uid for example in (figure, refusal, broken)}) == 3
    assert {example.group for example in (figure, refusal, broken)} == {"harbor"}


@pytest.mark.parametrize(("path", "fewest", "refused_share"), [(PAGES, 350, 0.12), (NOTES, 240, 0.05)])
def test_every_written_page_bears_out_its_questions(path: Path, fewest: int, refused_share: float) -> None:
    """Given the written pages, then each line's figures and spans stand on the page as the prompt shows it."""
    examples = list(written_pages(path))
    assert len({example.group for example in examples}) == len(path.read_text("utf-8").splitlines()) > fewest
    assert [example.uid for example in examples if example.task == "tatqa" and not _holds(example)] == []
    refused = sum(example.task == "refusal" for example in examples)
    assert refused / len(examples) == pytest.approx(refused_share, abs=0.01)


def test_every_written_question_holds_on_its_page(shared_data: Path) -> None:
    """Given the pages, then each written line's figures and spans stand on its page, and no question comes twice."""
    tasks = frozenset({"tatqa", "finqa_dev"})
    finqa = FinqaTask().examples(sources.FINQA_TRAIN.locate(shared_data))
    pages = [page for page in (*collect(shared_data, tasks, seed=1), *finqa) if page.task in ("tatqa", "finqa")]
    examples = [*written_questions(pages), *written_questions(pages, FURTHER, "further")]
    lines = [line for path in (QUESTIONS, FURTHER) for line in path.read_text("utf-8").splitlines()]
    assert len(examples) == len(lines) > 5_000
    assert len({example.uid for example in examples}) == len(examples)
    assert [example.uid for example in examples if example.task == "tatqa" and not _holds(example)] == []
    asked = Counter((example.group, example.gold["question"].lower()) for example in examples)
    assert [question for question, count in asked.items() if count > 1] == []


def test_written_questions_follow_their_page_into_the_training_split(shared_data: Path) -> None:
    """Given a split, when the written questions join it, then none is about a page that is kept for selection."""
    tasks = frozenset({"tatqa", "written"})
    parts = split(collect(shared_data, tasks, seed=1), [], 0.1, seed=1)
    written = list(derived(parts.train, tasks, seed=1))
    assert len(written) > 2_000
    assert parts.selection
    assert not {row.group for row in written} & {row.group for row in parts.selection}


def test_written_headlines_are_labelled_new_and_apart_from_the_real_ones(shared_data: Path) -> None:
    """Given the real tweets, then no written one has the words of one of them or of another written one."""
    written = list(written_headlines())
    assert len(written) > 2_000
    assert {example.answer for example in written} == set(SENTIMENT_LABELS)
    groups = Counter(example.group for example in written)
    assert [group for group, count in groups.items() if count > 1] == []
    real = SentimentTask().examples(sources.TFNS.locate(shared_data))
    assert not groups.keys() & {example.group for example in real}


def _holds(example: Example) -> bool:
    if example.answer is None or example.document is None:
        return False
    answer = read_answer(example.answer, example.document)
    page = " ".join(select_evidence(example.gold["question"], example.document, WHOLE).text.split())
    if answer.program is None:
        return answer.kind is not AnswerKind.NOT_FOUND and all(item in page for item in _items(example.answer))
    figures = {compact_cell(figure).lstrip("-") for figure in re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", page)}
    operands = {operand.text.rstrip("%") for operand in calculate(answer.program).operands}
    return operands <= figures | CONSTANTS


def _items(line: str) -> list[str]:
    return [" ".join(item.split()) for item in line.rpartition(" | ")[0].removeprefix("#").split(" ## ")]
