"""ConvFinQA (MIT): follow-up questions about one page; earlier turns stand in the chat with their answer lines."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from common.evidence import Document, select_evidence
from common.numbers import plain_decimal
from common.prompts import conversation_messages
from common.tables import Table
from training.tasks.base import Example, RowScore
from training.tasks.finqa import EVIDENCE_BUDGET, LICENCE, FinqaTask, page_of, plain_number, target_line

TURNS_PER_CONVERSATION = 2


class ConvFinqaTask:
    """One row for each of a conversation's last turns; the turns before are given with their right lines."""

    name = "convfinqa"

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
        lines = [
            target_line(program, [], question, answer) if "(" in program else plain_number(program)
            for program, question, answer in zip(
                dialogue["turn_program"], questions, dialogue["executed_answers"], strict=True
            )
        ]
        evidence = select_evidence(" ".join(questions), document, EVIDENCE_BUDGET).text
        for turn in range(max(0, len(questions) - TURNS_PER_CONVERSATION), len(questions)):
            line, earlier = lines[turn], lines[:turn]
            if line is None or None in earlier:
                continue
            history = tuple(zip(questions[:turn], map(str, earlier), strict=True))
            yield Example(
                task=self.name,
                uid=f"{conversation['id']}#{turn}",
                messages=conversation_messages(history, questions[turn], evidence),
                answer=str(line),
                gold={"exe_ans": dialogue["executed_answers"][turn], "bucket": f"turn {turn + 1}"},
                group=page_of(conversation["id"]),
                licence=LICENCE,
                source="convfinqa",
                document=document,
            )


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
