"""The questions that can be asked of a statement table, in analysts' wordings, each with the line that answers it."""

import random
from collections.abc import Callable, Iterator

from common.evidence import Document
from common.tables import Table
from training.tasks import row_pair_questions, row_questions
from training.tasks.statement_sheet import Asked, Sheet, different, read_sheet

# Each kind with the number of period columns it needs; weights by repetition follow how often analysts ask so.
_KINDS: list[tuple[Callable[[Sheet, random.Random], Asked | None], int]] = [
    (row_questions.lookup, 1),
    (row_questions.lookups, 2),
    (row_questions.difference, 2),
    (row_questions.difference, 2),
    (row_questions.percent_change, 2),
    (row_questions.percent_change, 2),
    (row_questions.average, 2),
    (row_questions.total, 2),
    (row_pair_questions.rows_total, 1),
    (row_pair_questions.rows_difference, 1),
    (row_pair_questions.share, 1),
    (row_pair_questions.ratio, 1),
    (row_questions.which_year, 2),
    (row_questions.count_years, 2),
    (row_questions.average_change, 3),
]


def questions_over(table: Table, document: Document, count: int, rng: random.Random) -> Iterator[Asked]:
    """Yield up to `count` different questions over one table; none where it has no usable series."""
    sheet = read_sheet(table, document)
    if sheet is None:
        return
    kinds = [kind for kind, needs in _KINDS if needs <= len(sheet.columns)]
    yield from different(lambda: rng.choice(kinds)(sheet, rng), count)
