"""Refusals: questions whose context lacks the answer, made from answered ones by taking the answer's evidence away."""

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from common.answers import NOT_FOUND, AnswerKind, parse_line, read_answer
from common.calculator import ProgramError, calculate
from common.errors import UnparseableAnswerError
from common.evidence import BALANCED, Document, select_evidence, split_sentences
from common.prompts import figures_messages
from common.relevance import content_words
from common.tables import Table, compact_cell
from training.tasks.base import Example, Outcome, RowScore

# Numbers of programs that are no figures of the report.
_CONSTANTS = frozenset({"1", "2", "3", "4", "5", "100", "1000"})
_MAX_OVERLAP = 0.34
CUT_EVERY = 4


class RefusalTask:
    """A quarter of the rows keep their page but lose the rows and sentences that hold the answer; the rest get another.

    Another page is the cheaper kind: it is some training page as it is, so its prompt is shared with that page's rows.
    """

    name = "refusal"

    def over(self, answered: Sequence[Example], count: int, seed: int) -> Iterator[Example]:
        """Yield about `count` refusals; the same seed gives the same rows."""
        rng = random.Random(seed)
        order = [example for example in answered if example.document is not None and example.answer is not None]
        rng.shuffle(order)
        made = 0
        for number, example in enumerate(order):
            if made == count:
                return
            is_cut = number % CUT_EVERY == 0
            document = _without_answer(example) if is_cut else _foreign(example, order, rng)
            if document is None:
                continue
            made += 1
            yield self._refusal(example, document, "evidence removed" if is_cut else "another page")

    def _refusal(self, example: Example, document: Document, kind: str) -> Example:
        question = example.gold["question"]
        return replace(
            example,
            task=self.name,
            uid=f"{example.uid}#refusal",
            messages=figures_messages(question, select_evidence(question, document, BALANCED).text),
            answer=str(NOT_FOUND),
            gold={"question": question, "kind": kind},
            source=f"{example.source}_refusals",
            document=document,
            # The page as users send it holds the answer.
            context=None,
        )

    def score(self, example: Example, output: str) -> RowScore:
        """Score a row that has no answer: refusing is correct."""
        try:
            refused = read_answer(output, example.document).kind is AnswerKind.NOT_FOUND
        except UnparseableAnswerError:
            return RowScore(example.uid, Outcome.UNPARSEABLE, {"recall": 0.0}, example.gold["kind"])
        outcome = Outcome.CORRECT if refused else Outcome.WRONG
        return RowScore(example.uid, outcome, {"recall": float(refused)}, example.gold["kind"], output.strip())


def _without_answer(example: Example) -> Document | None:
    """Return the page without the rows and sentences that hold the answer's figures; None where that is not sure."""
    if example.document is None or example.answer is None:
        return None
    wanted = _figures(example.answer)
    if not wanted or len(example.document.tables) != 1:
        return None
    table = example.document.tables[0]
    rows = tuple(row for row in table.rows if not wanted & {compact_cell(cell).rstrip("%") for cell in row.cells})
    removed = [row for row in table.rows if row not in rows]
    if not removed or len(rows) < 2:
        return None
    # A row that sums the removed one up, or a sentence that repeats it, could still answer the question.
    names = {word for row in removed for word in content_words(row.label)}
    if any(names and names <= set(content_words(row.label)) for row in rows):
        return None
    paragraphs = tuple(
        sentence
        for paragraph in example.document.paragraphs
        for sentence in split_sentences(paragraph)
        if not wanted & set(re.findall(r"\d+(?:\.\d+)?", sentence.replace(",", "")))
    )
    return Document((Table(table.title, table.columns, rows),), paragraphs)


def _figures(answer: str) -> set[str]:
    line = parse_line(answer)
    if line.program is not None:
        try:
            operands = calculate(line.program).operands
        except ProgramError:
            return set()
        texts = {operand.text.rstrip("%") for operand in operands} - _CONSTANTS
        return texts | {f"-{text}" for text in texts}
    is_figure = all(
        re.fullmatch(r"-?\d+(?:\.\d+)?", item) and not re.fullmatch(r"(?:19|20)\d\d", item) for item in line.items
    )
    return set(line.items) if is_figure and line.kind is AnswerKind.SPANS else set()


def _foreign(example: Example, others: Iterable[Example], rng: random.Random) -> Document | None:
    """Return another company's page that shares few of the question's words; None where eight draws find none."""
    wanted = {word for word in content_words(example.gold["question"]) if not word.isdigit()}
    pool = list(others)
    for _ in range(8):
        other = rng.choice(pool)
        if other.document is None or other.group == example.group:
            continue
        words = set(content_words(" ".join(_texts(other.document))))
        if len(wanted) > 2 and len(wanted & words) <= _MAX_OVERLAP * len(wanted):
            return other.document
    return None


def _texts(document: Document) -> list[str]:
    return [*document.paragraphs, *(row.label for table in document.tables for row in table.rows)]
