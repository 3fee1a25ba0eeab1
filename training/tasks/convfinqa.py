"""ConvFinQA (MIT): follow-up questions about one page; earlier turns stand in the chat with their answer lines."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from common.answers import AnswerLine
from common.evidence import Document, select_evidence
from common.numbers import plain_decimal
from common.prompts import conversation_messages
from common.tables import CELL_SEPARATOR, Table
from training.tasks.base import Example, RowScore
from training.tasks.finqa import EVIDENCE_BUDGET, LICENCE, FinqaTask, page_of, plain_number, target_line

REPORTED_TURNS = 2


class ConvFinqaTask:
    """One row for each of a conversation's last turns; the turns before are given with their right lines."""

    name = "convfinqa"

    def __init__(self, last_turns: int | None = REPORTED_TURNS) -> None:
        """Take the last turns of each conversation; all with None."""
        self._last_turns = last_turns

    def examples(self, path: Path) -> Iterator[Example]:
        """Yield the last turns of each conversation whose earlier turns all have verified lines."""
        for conversation in json.loads(path.read_text(encoding="utf-8")):
            yield from self._turns(conversation)

    def score(self, example: Example, output: str) -> RowScore:
        """Score by FinQA's execution accuracy."""
        return FinqaTask().score(example, output)

    def _turns(self, conversation: dict[str, Any]) -> Iterator[Example]:
        dialogue = conversation["dialogue"]
        questions = dialogue["conv_questions"]
        document = _document(conversation["doc"])
        evidence = select_evidence(" ".join(questions), document, EVIDENCE_BUDGET).text
        lines = [None if line is None else str(line) for line in _lines(dialogue)]
        for turn in range(len(questions))[-(self._last_turns or len(questions)) :]:
            line, earlier = lines[turn], [before for before in lines[:turn] if before is not None]
            if line is None or len(earlier) < turn:
                continue
            history = tuple(zip(questions[:turn], earlier, strict=True))
            yield Example(
                task=self.name,
                uid=f"{conversation['id']}#{turn}",
                messages=conversation_messages(history, questions[turn], evidence),
                answer=line,
                gold={"exe_ans": dialogue["executed_answers"][turn], "bucket": f"turn {turn + 1}"},
                group=page_of(conversation["id"]),
                licence=LICENCE,
                source="convfinqa",
                document=document,
                context=_text(document),
            )


def _text(document: Document) -> str:
    """Return the page as users send it."""
    rows = [("", *table.columns) for table in document.tables]
    rows += [(row.label, *row.cells) for table in document.tables for row in table.rows]
    return "\n".join((*(CELL_SEPARATOR.join(row) for row in rows), *document.paragraphs))


def _lines(dialogue: dict[str, Any]) -> Iterator[AnswerLine | None]:
    turns = zip(dialogue["turn_program"], dialogue["conv_questions"], dialogue["executed_answers"], strict=True)
    for program, question, answer in turns:
        yield target_line(program, [], question, answer) if "(" in program else plain_number(program)


def _document(page: dict[str, Any]) -> Document:
    columns = list(page["table"])
    labels = list(dict.fromkeys(label for column in page["table"].values() for label in column))
    grid = [[label, *(_cell(page["table"][column].get(label)) for column in columns)] for label in labels]
    texts = [" ".join(page[part].split()) for part in ("pre_text", "post_text")]
    return Document((Table.with_header([["", *columns], *grid]),), tuple(text for text in texts if len(text) > 2))


def _cell(value: float | str | None) -> str:
    if isinstance(value, float):
        return plain_decimal(Decimal(repr(value))).removesuffix(".0")
    return value or ""
