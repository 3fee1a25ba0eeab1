"""TAT-QA (CC BY 4.0): questions over a table and paragraphs of annual reports, answered by one line."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.answers import AnswerKind, AnswerLine, count_line, number_line, read_answer, span_line
from common.errors import UnparseableAnswerError
from common.evidence import BALANCED, Budget, Document, select_evidence
from common.numbers import Scale, plain_decimal, round_half_up
from common.prompts import figures_messages
from common.tables import CELL_SEPARATOR, Table, compact_cell
from training.tasks.base import Example, Outcome, RowScore, text_hash
from training.tasks.derivations import program_for
from training.tasks.tatqa_score import score_question

LICENCE = "CC-BY-4.0"
SOURCE = "tatqa"


class TatqaTask:
    """Official files (`train.json`, `dev.json`): contexts with several questions each."""

    name = "tatqa"

    def __init__(self, budget: Budget = BALANCED) -> None:
        self._budget = budget

    def examples(self, path: Path) -> Iterator[Example]:
        """Yield one example a question; `answer` is None where no line scores an exact match by the official rules."""
        for context in json.loads(path.read_text(encoding="utf-8")):
            yield from self.over(context)

    def over(self, context: dict[str, Any]) -> Iterator[Example]:
        """Yield one example for each question of a context."""
        document, group = document_of(context), group_of(context)
        for question in context["questions"]:
            yield replace(self.example(question, document, group), context=context_text(context))

    def example(self, question: dict[str, Any], document: Document, group: str) -> Example:
        """Return one question as an example; the gold keeps what the scorer needs."""
        evidence = select_evidence(question["question"], document, self._budget)
        line = target_line(question, document)
        gold = {key: question.get(key, "") for key in ("question", "answer", "answer_type", "answer_from", "scale")}
        return Example(
            task=self.name,
            uid=question["uid"],
            messages=figures_messages(question["question"], evidence.text),
            answer=None if line is None else str(line),
            gold=gold,
            group=group,
            licence=LICENCE,
            source=SOURCE,
            document=document,
        )

    def score(self, example: Example, output: str) -> RowScore:
        """Score one output by the official rules; `prediction` is in the official file's form."""
        bucket = f"{example.gold['answer_type']}/{example.gold['answer_from']}"
        try:
            prediction, scale = official_form(output, example.document, example.gold["question"])
        except UnparseableAnswerError:
            nothing = {"em": 0.0, "f1": 0.0, "scale": 0.0}
            return RowScore(example.uid, Outcome.UNPARSEABLE, nothing, bucket, ["", ""])
        points = score_question(example.gold, prediction, scale)
        outcome = Outcome.CORRECT if points.em else Outcome.WRONG if prediction else Outcome.REFUSED
        metrics = {"em": points.em, "f1": points.f1, "scale": points.scale}
        return RowScore(example.uid, outcome, metrics, bucket, [prediction, scale])


def document_of(context: dict[str, Any]) -> Document:
    """Return a TAT-QA context as tables and paragraphs."""
    return Document(
        (Table.from_cells(context["table"]["table"]),),
        tuple(" ".join(paragraph["text"].split()) for paragraph in context["paragraphs"]),
    )


def group_of(context: dict[str, Any]) -> str:
    """Return a TAT-QA context's name: a hash over its cells."""
    return text_hash([cell for row in context["table"]["table"] for cell in row])


def context_text(context: dict[str, Any]) -> str:
    """Return a TAT-QA context as text: a line of cells a table row, then a line a paragraph."""
    rows = (CELL_SEPARATOR.join(" ".join(cell.split()) for cell in row) for row in context["table"]["table"])
    return "\n".join((*rows, *(" ".join(paragraph["text"].split()) for paragraph in context["paragraphs"])))


def official_form(output: str, document: Document | None, question: str = "") -> tuple[list[str], str]:
    """Return (answer, scale) as the official predictions file holds them; empty for a refusal.

    Raises UnparseableAnswerError.
    """
    answer = read_answer(output, document, question)
    scale = "" if answer.scale is Scale.NONE else str(answer.scale)
    if answer.kind is AnswerKind.NOT_FOUND:
        return [], ""
    if answer.kind is AnswerKind.NUMBER and answer.value is not None:
        return [plain_decimal(round_half_up(answer.value, 2))], scale
    if answer.kind in (AnswerKind.TRUTH, AnswerKind.COUNT):
        return [answer.text], ""
    return list(answer.items), scale


def target_line(question: dict[str, Any], document: Document) -> AnswerLine | None:
    """Return the line that answers a question, checked by the official scorer; None where there is none."""
    line = _line(question, document)
    if line is None:
        return None
    try:
        prediction, scale = official_form(str(line), document)
    except UnparseableAnswerError:
        return None
    points = score_question(question, prediction, scale)
    nearly = question["answer_type"] == "arithmetic"
    return line if points.em or nearly else None


def _line(question: dict[str, Any], document: Document) -> AnswerLine | None:
    scale = Scale(question["scale"] or "none")
    answer = question["answer"]
    if question["answer_type"] == "arithmetic":
        program = program_for(question["derivation"] or "", str(answer), scale)
        return None if program is None else number_line(program, scale)
    if question["answer_type"] == "count":
        items = tuple(item.strip() for item in (question["derivation"] or "").split("##") if item.strip())
        return count_line(items) if len(items) == int(answer) else None
    parts = answer if isinstance(answer, list) else [answer]
    return span_line(tuple(as_shown(str(part), document) for part in parts), scale)


def as_shown(part: str, document: Document) -> str:
    """Return a span as the prompt shows it: a table cell's figure in compact form, any other text unchanged."""
    part = " ".join(part.split())
    cells = {cell for table in document.tables for row in table.rows for cell in row.cells}
    if part in cells:
        return compact_cell(part)
    compact = compact_cell(part)
    return compact if compact != part and compact in {compact_cell(cell) for cell in cells} else part
