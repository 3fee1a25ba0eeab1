"""Other views of a page: amounts of another size, other years, rows and columns in another order.

A second pass over pages teaches their figures by heart; a view asks the same questions over figures never seen. Amounts
are all multiplied by one factor, so that sums, comparisons and percentages stay what they were; percentages, figures of
fewer than three digits and the numbers of standards and sections stay as printed.
"""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from common.answers import AnswerLine, parse_line, read_answer
from common.errors import UnparseableAnswerError
from common.evidence import BALANCED, Document, select_evidence
from common.numbers import parse_figure
from common.prompts import figures_messages
from common.tables import Row, Table
from training.tasks.base import Example

_YEAR = re.compile(r"(?<![\d.,$€£/-])(?:19|20)\d\d(?![\d%/-]|[.,]\d)")
_NUMBER = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.,])\d*\.\d+|(?<![\d.,])\d+")
# Years that are part of something longer (`31,2018`, `2018/19`, `FY19`) cannot be moved with the others.
_GLUED_YEAR = re.compile(r"[,/-](?:19|20)\d\d\b|\b(?:19|20)\d\d[/-]\d|\b(?:FY|Q[1-4])\s?['’]?\d\d\b|['’]\d\d\b", re.I)
_OPERAND = re.compile(r"\d*\.\d+|\d+")
_AFTER_AMOUNT = re.compile(r"\s*(?:thousand|million|billion)\b", re.I)
_BEFORE_AMOUNT = re.compile(r"[$€£¥]\s*\(?$")
_SHIFTS = (-6, -5, -4, -3, -2, 1, 2, 3)
_FACTORS = (0.4, 2.4)
_MIN_DIGITS = 3


@dataclass(frozen=True, slots=True)
class PageView:
    """What a view does to a page's texts and figures; `amounts` are the values of table cells that it multiplies."""

    factor: Decimal
    years: int
    amounts: frozenset[Decimal]

    def text(self, text: str) -> str:
        """Return running text with its years moved and its amounts multiplied."""
        years = {found.start(): self._year(found[0]) for found in _YEAR.finditer(text)}
        parts: list[str] = []
        at = 0
        for found in _NUMBER.finditer(text):
            parts.append(text[at : found.start()])
            if found.start() in years and not _BEFORE_AMOUNT.search(text[: found.start()]):
                parts.append(years[found.start()])
            elif self._is_amount(text, found):
                parts.append(self.number(found[0]))
            else:
                parts.append(found[0])
            at = found.end()
        return "".join(parts) + text[at:]

    def cell(self, cell: str) -> str:
        """Return a table cell: an amount multiplied, any other text as in a paragraph."""
        figure = parse_figure(cell)
        if figure is None or abs(figure.value) not in self.amounts or "%" in cell:
            return self.text(cell)
        return _NUMBER.sub(lambda found: self.number(found[0]), cell, count=1)

    def number(self, digits: str) -> str:
        """Return a printed number multiplied, with its own decimals and thousands commas."""
        value = Decimal(digits.replace(",", ""))
        exponent = value.as_tuple().exponent
        moved = (value * self.factor).quantize(Decimal(1).scaleb(int(exponent)), rounding=ROUND_HALF_UP)
        return f"{moved:,f}" if "," in digits else f"{moved:f}"

    def operand(self, digits: str) -> str:
        """Return a program's number: a table's amount multiplied, any other as it is."""
        return self.number(digits) if Decimal(digits) in self.amounts else digits

    def _is_amount(self, text: str, found: re.Match[str]) -> bool:
        digits = found[0]
        if text[found.end() : found.end() + 1] == "%" or not _is_long(digits):
            return False
        return (
            Decimal(digits.replace(",", "")) in self.amounts
            or bool(_BEFORE_AMOUNT.search(text[: found.start()]))
            or bool(_AFTER_AMOUNT.match(text[found.end() :]))
        )

    def _year(self, year: str) -> str:
        return str(int(year) + self.years)


def draw_view(document: Document, rng: random.Random) -> PageView:
    """Return a view for a page, with a factor between 0.4 and 2.4 and other years."""
    low, high = _FACTORS
    factor = Decimal(str(round(rng.uniform(low, high), 4)))
    years = rng.choice(_SHIFTS)
    return PageView(factor, 0 if _GLUED_YEAR.search(_printed(document)) else years, _amounts(document))


def views_of(examples: Iterable[Example], seed: int) -> Iterator[Example]:
    """Yield each page's rows over one other view of it; rows whose answer does not carry over are left out."""
    drawn: dict[Document, tuple[PageView, Document]] = {}
    for example in examples:
        page = example.document
        if page is None or example.answer is None:
            continue
        if page not in drawn:
            rng = random.Random(f"{seed}:{_printed(page)}")
            view = draw_view(page, rng)
            drawn[page] = view, _reordered(_document(page, view), rng)
        row = _row(example, *drawn[page], seed)
        if row is not None:
            yield row


def _row(example: Example, view: PageView, document: Document, seed: int) -> Example | None:
    original = parse_line(example.answer or "")
    line = _line(original, view)
    question = view.text(example.gold["question"])
    evidence = select_evidence(question, document, BALANCED).text
    try:
        answer = read_answer(str(line), document, question)
    except UnparseableAnswerError:
        return None
    before = example.messages[-1].content
    moved = line.items if line.program is None else tuple(operand.text for operand in answer.operands)
    # Where the page held every item, the view must hold every item too.
    if all(item in before for item in original.items) and not all(item in evidence for item in moved if _is_word(item)):
        return None
    return replace(
        example,
        uid=f"{example.uid}#view{seed}",
        messages=figures_messages(question, evidence),
        answer=str(line),
        gold={**example.gold, "question": question, "answer": list(line.items) or answer.text},
        source=f"{example.source}_views",
        document=document,
        context=None,
    )


def _line(line: AnswerLine, view: PageView) -> AnswerLine:
    if line.program is not None:
        return replace(line, program=_OPERAND.sub(lambda found: view.operand(found[0]), line.program))
    return replace(line, items=tuple(view.cell(item) for item in line.items))


def _document(document: Document, view: PageView) -> Document:
    tables = tuple(
        Table(
            view.text(table.title),
            tuple(map(view.text, table.columns)),
            tuple(Row(view.text(row.label), tuple(map(view.cell, row.cells))) for row in table.rows),
        )
        for table in document.tables
    )
    return Document(tables, tuple(map(view.text, document.paragraphs)))


def _reordered(document: Document, rng: random.Random) -> Document:
    return Document(tuple(_shuffled(table, rng) for table in document.tables), document.paragraphs)


def _shuffled(table: Table, rng: random.Random) -> Table:
    """Return the table with its columns turned round or its rows mixed, each where nothing hangs on their order."""
    columns, rows = table.columns, list(table.rows)
    if all(columns) and len(set(columns)) == len(columns) and rng.random() < 0.5:
        columns = columns[::-1]
        rows = [Row(row.label, row.cells[::-1]) for row in rows]
    labels = [row.label for row in rows]
    if not any(row.is_section for row in rows) and all(labels) and len(set(labels)) == len(labels):
        rng.shuffle(rows)
    return Table(table.title, columns, tuple(rows))


def _amounts(document: Document) -> frozenset[Decimal]:
    """Return the values of the tables' cells that are amounts: three digits or more, no year, no percentage."""
    found: set[Decimal] = set()
    kept: set[Decimal] = set()
    for cell in (cell for table in document.tables for row in table.rows for cell in row.cells):
        figure = parse_figure(cell)
        if figure is None:
            continue
        is_amount = "%" not in cell and _is_long(cell) and not _YEAR.fullmatch(cell.strip())
        (found if is_amount else kept).add(abs(figure.value))
    return frozenset(found - kept)


def _printed(document: Document) -> str:
    tables = (
        text
        for table in document.tables
        for text in (table.title, *table.columns, *(cell for row in table.rows for cell in (row.label, *row.cells)))
    )
    return "\n".join((*tables, *document.paragraphs))


def _is_long(text: str) -> bool:
    return sum(map(str.isdigit, text)) >= _MIN_DIGITS


def _is_word(item: str) -> bool:
    return len(item) > 1
