"""Analysts' questions over made statements: the wordings that real pages of the mix have too few statements for."""

import random
from collections.abc import Iterator

from common.calculator import calculate
from common.evidence import BALANCED, select_evidence
from common.prompts import figures_messages
from training.tasks.analyst_questions import KINDS, Wording
from training.tasks.base import Example, RowScore, text_hash
from training.tasks.made_statements import make_page
from training.tasks.ratio_questions import average_margin, combined_amount, margin_change, ratio
from training.tasks.statement_sheet import Asked
from training.tasks.statements import score_line

LICENCE = "MIT"
SOURCE = "made_statements"
_CONSTANTS = frozenset({"100", "365", "1000"})
_ALL_KINDS = (*KINDS, ratio, ratio, ratio, combined_amount, average_margin, margin_change)


class AnalystTask:
    """Made pages with several questions each; scored as questions over statement tables are."""

    name = "analyst"

    def pages(self, count: int, questions_per_page: int, seed: int) -> Iterator[Example]:
        """Yield questions over `count` made pages; the same seed gives the same rows."""
        for number in range(count):
            rng = random.Random(f"{seed}:{number}")  # noqa: S311 - drawing pages, not secrets
            page = make_page(rng)
            group = text_hash([cell for table in page.document.tables for row in table.rows for cell in row.cells])
            seen: set[str] = set()
            for _ in range(questions_per_page * 3):
                if len(seen) == questions_per_page:
                    break
                asked = rng.choice(_ALL_KINDS)(Wording(page, rng))
                if asked is None or asked.question in seen:
                    continue
                evidence = select_evidence(asked.question, page.document, BALANCED).text
                if not _is_answerable(asked, evidence):
                    continue
                seen.add(asked.question)
                yield Example(
                    task=self.name,
                    uid=f"made-{number}-q{len(seen)}",
                    messages=figures_messages(asked.question, evidence),
                    answer=str(asked.line),
                    gold={"question": asked.question, "line": str(asked.line)},
                    group=group,
                    licence=LICENCE,
                    source=SOURCE,
                    document=page.document,
                )

    def score(self, example: Example, output: str) -> RowScore:
        """Compare the resolved answers: value and scale of a number, truth, or the items."""
        return score_line(example, output)


def _is_answerable(asked: Asked, evidence: str) -> bool:
    """A long page is cut to the lines that share the question's words: a line it lost cannot be asked for."""
    texts = asked.line.items
    if asked.line.program is not None:
        texts = tuple(operand.text for operand in calculate(asked.line.program).operands)
    return all(text in evidence or text in _CONSTANTS for text in texts)
