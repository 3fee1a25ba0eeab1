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
from common.evidence import BALANCED, Document, select_evidence
from common.prompts import figures_messages
from training.tasks.base import Example
from training.tasks.refusals import RefusalTask
from training.tasks.sentiment import labelled
from training.tasks.tatqa import TatqaTask, official_form

_FOLDER = Path(__file__).resolve().parent.parent / "written"
QUESTIONS = _FOLDER / "page_questions.jsonl"
FURTHER = _FOLDER / "further_questions.jsonl"
PAGES = _FOLDER / "pages.jsonl"
NOTES = _FOLDER / "note_pages.jsonl"
HEADLINES = _FOLDER / "headlines.jsonl"
LICENCE = "Apache-2.0"
_TYPES = {AnswerKind.NUMBER: "arithmetic", AnswerKind.TRUTH: "arithmetic", AnswerKind.COUNT: "count"}


def written_questions(pages: Iterable[Example], path: Path = QUESTIONS, kind: str = "written") -> Iterator[Example]:
    """Yield the questions about those pages that are among `pages`; a page is named by the group of its rows.

    A line: page, question, answer line. `answer` is None where that cannot be read. `kind` ends the rows' source, so
    that a recipe can name them.
    """
    known: dict[str, Example] = {}
    for example in pages:
        known.setdefault(example.group, example)
    numbers: Counter[str] = Counter()
    for row in _rows(path):
        page = known.get(row["page"])
        if page is None or page.document is None:
            continue
        numbers[page.group] += 1
        uid = f"{kind}-{page.group}-{numbers[page.group]}"
        yield _example(uid, page.document, row, page.group, page.licence, f"{page.source}_{kind}")


def written_pages(path: Path = PAGES, source: str = "written_pages") -> Iterator[Example]:
    """Yield the questions about made-up pages, which are read as the service reads a context; some are refused.

    A line: page, context, questions with their answer lines. `answer` is None where a line cannot be read.
    """
    for page in _rows(path):
        document = parse_context(page["context"])
        for number, row in enumerate(page["questions"], 1):
            uid = f"written-{page['page']}-{number}"
            yield replace(_example(uid, document, row, page["page"], LICENCE, source), context=page["context"])


def written_headlines(path: Path = HEADLINES) -> Iterator[Example]:
    """Yield the written headlines with their labels; they are ours, so under the project's licence."""
    for number, row in enumerate(_rows(path)):
        yield labelled(f"headline-{number}", row["text"], row["label"], LICENCE, "headlines")


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _example(uid: str, document: Document, row: dict[str, str], group: str, licence: str, source: str) -> Example:
    question, line = row["question"], row["answer"]
    is_refusal = line == NOT_FOUND_LINE
    gold = {"question": question, "kind": "not disclosed"} if is_refusal else _gold(question, line, document)
    return Example(
        task=RefusalTask.name if is_refusal else TatqaTask.name,
        uid=uid,
        messages=figures_messages(question, select_evidence(question, document, BALANCED).text),
        answer=None if gold is None else line,
        gold=gold or {"question": question},
        group=group,
        licence=licence,
        source=source,
        document=document,
    )


def _gold(question: str, line: str, document: Document) -> dict[str, Any] | None:
    """Return what the scorer compares with; None where the line cannot be read."""
    try:
        prediction, scale = official_form(line, document, question)
    except UnparseableAnswerError:
        return None
    kind = _TYPES.get(parse_line(line).kind) or ("span" if len(prediction) == 1 else "multi-span")
    answer = prediction if kind.endswith("span") else prediction[0]
    return {"question": question, "answer": answer, "answer_type": kind, "answer_from": "", "scale": scale}
