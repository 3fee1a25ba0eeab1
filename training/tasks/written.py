"""What was written for this project: questions over pages of other data sets, pages with questions, headlines."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.answers import NOT_FOUND_LINE, AnswerKind, parse_line
from common.contexts import parse_context
from common.errors import UnparseableAnswerError
from common.evidence import BALANCED, Budget, Document, select_evidence
from common.prompts import figures_messages
from training.tasks.base import Example
from training.tasks.sentiment import labelled
from training.tasks.tatqa import official_form

_FOLDER = Path(__file__).resolve().parent.parent / "written"
QUESTIONS = _FOLDER / "page_questions.jsonl"
PAGES = _FOLDER / "pages.jsonl"
HEADLINES = _FOLDER / "headlines.jsonl"
LICENCE = "Apache-2.0"
_TYPES = {AnswerKind.NUMBER: "arithmetic", AnswerKind.TRUTH: "arithmetic", AnswerKind.COUNT: "count"}


class WrittenQuestions:
    """`page_questions.jsonl`: page, question, answer line; a page is named by the group of another task's rows."""

    name = "tatqa"

    def __init__(self, budget: Budget = BALANCED) -> None:
        self._budget = budget

    def over(self, pages: Iterable[Example], questions: Path = QUESTIONS) -> Iterator[Example]:
        """Yield one example a question whose page is among `pages`; `answer` is None where its line cannot be read."""
        known: dict[str, Example] = {}
        for example in pages:
            known.setdefault(example.group, example)
        numbers: Counter[str] = Counter()
        for row in _rows(questions):
            page = known.get(row["page"])
            if page is None or page.document is None:
                continue
            numbers[row["page"]] += 1
            evidence = select_evidence(row["question"], page.document, self._budget)
            gold = _gold(row["question"], row["answer"], page.document)
            yield replace(
                page,
                task=self.name,
                uid=f"written-{row['page']}-{numbers[row['page']]}",
                messages=figures_messages(row["question"], evidence.text),
                answer=None if gold is None else row["answer"],
                gold=gold or {"question": row["question"]},
                source=f"{page.source}_written",
                context=None,
            )


def written_pages(pages: Path = PAGES, budget: Budget = BALANCED) -> Iterator[Example]:
    """Yield the questions about made-up pages, which are read as the service reads a context; some are refused.

    A line: page, context, questions with their answer lines. `answer` is None where a line cannot be read.
    """
    for page in _rows(pages):
        document = parse_context(page["context"])
        for number, row in enumerate(page["questions"]):
            is_refusal = row["answer"] == NOT_FOUND_LINE
            absent = {"question": row["question"], "kind": "not disclosed"}
            gold = absent if is_refusal else _gold(row["question"], row["answer"], document)
            yield Example(
                task="refusal" if is_refusal else WrittenQuestions.name,
                uid=f"written-{page['page']}-{number}",
                messages=figures_messages(row["question"], select_evidence(row["question"], document, budget).text),
                answer=None if gold is None else row["answer"],
                gold=gold or {"question": row["question"]},
                group=page["page"],
                licence=LICENCE,
                source="written_pages",
                document=document,
                context=page["context"],
            )


def written_headlines(headlines: Path = HEADLINES) -> Iterator[Example]:
    """Yield the written headlines with their labels; they are ours, so under the project's licence."""
    for number, row in enumerate(_rows(headlines)):
        yield labelled(f"headline-{number}", row["text"], row["label"], LICENCE, "headlines")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _gold(question: str, line: str, document: Document) -> dict[str, Any] | None:
    """Return what the scorer compares with; None where the line cannot be read."""
    try:
        prediction, scale = official_form(line, document, question)
    except UnparseableAnswerError:
        return None
    kind = _TYPES.get(parse_line(line).kind) or ("span" if len(prediction) == 1 else "multi-span")
    answer = prediction if kind.endswith("span") else prediction[0]
    return {"question": question, "answer": answer, "answer_type": kind, "answer_from": "", "scale": scale}
