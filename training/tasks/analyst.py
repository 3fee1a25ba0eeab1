"""Analysts' questions over made statements: the wordings that real pages of the mix have too few statements for."""

import random
from collections.abc import Iterator
from functools import partial

from common.calculator import calculate
from common.evidence import BALANCED, Document, select_evidence
from common.prompts import figures_messages
from training.tasks import analyst_questions
from training.tasks.analyst_questions import Wording
from training.tasks.base import Example, RowScore, text_hash
from training.tasks.made_statements import MadePage, make_page
from training.tasks.ratio_questions import average_margin, combined_amount, margin_change, ratio
from training.tasks.statement_sheet import Asked, different
from training.tasks.statements import score_line

LICENCE = "MIT"
SOURCE = "made_statements"
_CONSTANTS = frozenset({"100", "365", "1000"})
KINDS = (*analyst_questions.KINDS, ratio, ratio, ratio, combined_amount, average_margin, margin_change)


class AnalystTask:
    """Made pages with several questions each; scored as questions over statement tables are."""

    name = "analyst"

    def pages(self, count: int, questions_per_page: int, seed: int) -> Iterator[Example]:
        """Yield questions over `count` made pages; the same seed gives the same rows."""
        for number in range(count):
            rng = random.Random(f"{seed}:{number}")
            page = make_page(rng)
            group = text_hash([cell for table in page.document.tables for row in table.rows for cell in row.cells])
            drawn = different(partial(_draw, page, rng), questions_per_page)
            for at, asked in enumerate(drawn, start=1):
                evidence = select_evidence(asked.question, page.document, BALANCED).text
                yield Example(
                    task=self.name,
                    uid=f"made-{number}-q{at}",
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


def _draw(page: MadePage, rng: random.Random) -> Asked | None:
    asked = rng.choice(KINDS)(Wording(page, rng))
    return asked if asked is not None and is_answerable(asked, page.document) else None


def is_answerable(asked: Asked, document: Document) -> bool:
    """Tell whether the prompt holds all that the answer needs: of a long page it holds the lines that fit best."""
    evidence = select_evidence(asked.question, document, BALANCED).text
    texts = asked.line.items
    if asked.line.program is not None:
        texts = tuple(operand.text for operand in calculate(asked.line.program).operands)
    return all(text in evidence or text in _CONSTANTS for text in texts)
