"""Questions made from statement tables, each with a checked program: look up, compare, change, sum, average, count.

The tables are real (XBRL facts, published statements, tables of training pages); only the questions are written here,
in the wordings analysts use. Rows that are not asked for are the distractors.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from common.answers import read_answer
from common.errors import UnparseableAnswerError
from common.evidence import Budget, Document, select_evidence
from common.prompts import figures_messages
from common.tables import Table
from training.statement_tables import read_statements
from training.tasks.base import Example, Outcome, RowScore, text_hash
from training.tasks.statement_questions import questions_over
from training.tasks.statement_sheet import Asked

Ask = Callable[[Table, Document, int, random.Random], Iterator[Asked]]
# Where the page around a table is not shared with other rows, a sentence or two of it is enough.
TABLE_ONLY = Budget(table_tokens=450, text_tokens=50)


class StatementsTask:
    """Structured disclosures: see `training/statement_tables.py` for where the tables come from."""

    name = "statements"

    def __init__(
        self, questions_per_table: int = 6, seed: int = 0, budget: Budget = TABLE_ONLY, ask: Ask = questions_over
    ) -> None:
        self._questions = questions_per_table
        self._seed = seed
        self._budget = budget
        self._ask = ask

    def examples(self, path: Path) -> Iterator[Example]:
        """Yield rows over the XBRL instance or fact table at `path`."""
        for number, document in enumerate(read_statements(path, self._seed)):
            yield from self.over(document, f"{path.stem}-{number}", "MIT", f"xbrl/{path.stem}")

    def over(self, document: Document, name: str, licence: str, source: str) -> Iterator[Example]:
        """Yield questions over a document's table; the same seed and name always give the same questions."""
        for table in document.tables:
            rng = random.Random(f"{self._seed}:{name}")
            for number, asked in enumerate(self._ask(table, document, self._questions, rng)):
                yield Example(
                    task=self.name,
                    uid=f"{name}-q{number}",
                    messages=figures_messages(
                        asked.question, select_evidence(asked.question, document, self._budget).text
                    ),
                    answer=str(asked.line),
                    gold={"question": asked.question, "line": str(asked.line)},
                    group=text_hash([cell for row in table.rows for cell in (row.label, *row.cells)]),
                    licence=licence,
                    source=source,
                    document=document,
                )

    def score(self, example: Example, output: str) -> RowScore:
        """Compare the resolved answers: value and scale of a number, or the items."""
        return score_line(example, output)


def score_line(example: Example, output: str) -> RowScore:
    """Score an output against the gold's `line`: the resolved answers must have the same value and scale, or items."""
    gold = read_answer(example.gold["line"], example.document)
    try:
        found = read_answer(output, example.document)
    except UnparseableAnswerError:
        return RowScore(example.uid, Outcome.UNPARSEABLE, {"accuracy": 0.0}, gold.kind)
    same = found.kind == gold.kind and found.scale == gold.scale
    same = same and (found.value == gold.value if gold.value is not None else found.items == gold.items)
    same = same and found.truth == gold.truth
    refused = found.kind == "not_found"
    outcome = Outcome.CORRECT if same else Outcome.REFUSED if refused else Outcome.WRONG
    return RowScore(example.uid, outcome, {"accuracy": float(same)}, gold.kind, found.text)
