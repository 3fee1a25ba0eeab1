"""Grounded explanations in sentences: reasons quoted from the report, trends put in words, refusals."""

import random
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from common.answers import parse_line
from common.evidence import BALANCED, Budget, Document, scale_line, select_evidence, split_sentences
from common.finance_tasks import asks_for_explanation
from common.numbers import Scale, format_figure
from common.prompts import question_messages
from common.tables import Table, compact_cell, is_value
from training.tasks.base import Example, Outcome, RowScore
from training.tasks.tatqa_score import normalize_answer

NO_ANSWER = "The given context does not say."
_YEAR = re.compile(r"^(?:19|20)\d\d$")
_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_SMALL = Budget(table_tokens=300, text_tokens=200)


class ExplanationTask:
    """Free-form answers by the analyst's instructions; every sentence is quoted or computed from the page's table."""

    name = "explanation"

    def over(self, answered: Sequence[Example], count: int, seed: int) -> Iterator[Example]:
        """Yield up to `count` rows: quoted reasons first, then trends and refusals in equal parts."""
        rng = random.Random(seed)
        order = [example for example in answered if example.document is not None and example.answer is not None]
        rng.shuffle(order)
        reasons = [row for row in map(self._reason, order) if row is not None][: count // 2]
        trends = [row for row in (self._trend(example, rng) for example in _one_per_page(order)) if row is not None][
            : count // 3
        ]
        yield from reasons
        yield from trends
        yield from self._refusals(order, count - len(reasons) - len(trends), rng)

    def score(self, example: Example, output: str) -> RowScore:
        """Score the words shared with the reference (F1) and the share of numbers found in the prompt or reference."""
        reference = example.gold["reference"]
        f1 = word_f1(output, reference)
        known = set(_NUMBER.findall(example.messages[-1].content)) | set(_NUMBER.findall(reference))
        numbers = _NUMBER.findall(output)
        grounded = sum(number in known for number in numbers) / len(numbers) if numbers else 1.0
        refused = NO_ANSWER.rstrip(".").lower() in output.lower()
        wanted = reference == NO_ANSWER
        right = refused == wanted and f1 >= 0.5 and grounded == 1.0
        outcome = Outcome.CORRECT if right else Outcome.REFUSED if refused else Outcome.WRONG
        return RowScore(example.uid, outcome, {"word_f1": f1, "grounded": grounded}, example.gold["kind"], output)

    def _row(self, example: Example, question: str, document: Document, answer: str, kind: str) -> Example:
        evidence = select_evidence(question, document, _SMALL if kind == "trend" else BALANCED)
        return Example(
            task=self.name,
            uid=f"{example.uid}#{kind}",
            messages=question_messages(question, evidence.text, None),
            answer=answer,
            gold={"question": question, "reference": answer, "kind": kind},
            group=example.group,
            licence=example.licence,
            source=f"{example.source}_{kind}",
            document=document,
        )

    def _reason(self, example: Example) -> Example | None:
        """Answer a why or how question with the whole sentence that holds the annotated span."""
        if example.document is None or example.answer is None:
            return None
        line = parse_line(example.answer)
        if not asks_for_explanation(example.gold["question"]) or len(line.items) != 1 or len(line.items[0]) < 25:
            return None
        for paragraph in example.document.paragraphs:
            for sentence in split_sentences(paragraph):
                if line.items[0] in sentence and len(sentence) < 500:
                    return self._row(example, example.gold["question"], example.document, sentence, "reason")
        return None

    def _trend(self, example: Example, rng: random.Random) -> Example | None:
        if example.document is None:
            return None
        table = example.document.tables[0]
        years = [column for column in table.columns if _YEAR.match(column)]
        rows = [
            row
            for row in table.rows
            if 2 < len(row.label) < 60 and all(map(is_value, row.cells)) and "%" not in "".join(row.cells)
        ]
        if len(years) != len(table.columns) or len(years) < 2 or len(rows) < 3:
            return None
        chosen = rng.sample(rows, 2 if len(rows) < 6 else 3)
        scale = Scale(scale_line(example.document).removeprefix("Amounts in ") or "none")
        names = [row.label.rstrip(": ") for row in chosen]
        sentences = [_sentence(table, cells.cells, name, scale) for cells, name in zip(chosen, names, strict=True)]
        if None in sentences:
            return None
        question = rng.choice(
            (
                "Explain how {x} developed.",
                "Summarise the development of {x}.",
                "Describe the trend of {x} over the years shown.",
            )
        )
        text = question.format(x=" and ".join((", ".join(names[:-1]), names[-1])))
        return self._row(example, text, example.document, " ".join(filter(None, sentences)), "trend")

    def _refusals(self, order: Sequence[Example], count: int, rng: random.Random) -> Iterator[Example]:
        asking = [example for example in order if asks_for_explanation(example.gold["question"])]
        for example in asking[: max(0, count)]:
            other = rng.choice(order)
            if other.group != example.group and other.document is not None:
                yield self._row(example, example.gold["question"], other.document, NO_ANSWER, "refusal")


def word_f1(text: str, reference: str) -> float:
    """Return the F1 of the distinct words two texts share."""
    left, right = set(normalize_answer(text).split()), set(normalize_answer(reference).split())
    shared = len(left & right)
    return 2 * shared / (len(left) + len(right)) if left or right else 1.0


def _one_per_page(examples: Sequence[Example]) -> list[Example]:
    return list({example.group: example for example in examples}.values())


def _sentence(table: Table, cells: Sequence[str], name: str, scale: Scale) -> str | None:
    """Return `Revenue rose from 1,000 million in 2022 to 1,250 million in 2023 (25%).`"""
    by_year = {year: Decimal(compact_cell(cell)) for year, cell in zip(table.columns, cells, strict=True)}
    first, last = min(by_year), max(by_year)
    old, new = by_year[first], by_year[last]
    start, end = format_figure(Fraction(old), scale), format_figure(Fraction(new), scale)
    if old <= 0 or new <= 0:
        return None
    if old == new:
        return f"{name} stayed at {start} in {first} and {last}."
    change = format_figure(100 * Fraction(new - old) / Fraction(old), Scale.PERCENT, 1).lstrip("-")
    verb = "rose" if new > old else "fell"
    return f"{name} {verb} from {start} in {first} to {end} in {last} ({change})."
