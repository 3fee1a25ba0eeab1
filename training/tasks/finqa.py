"""FinQA (MIT): numerical reasoning over a page of an S&P 500 report, scored by execution accuracy."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from common.answers import AnswerKind, AnswerLine, number_line, read_answer, span_line
from common.errors import UnparseableAnswerError
from common.evidence import BALANCED, Budget, Document, rank_sentences, select_evidence
from common.numbers import Scale
from common.prompts import figures_messages
from common.tables import Table
from training.tasks.base import Example, Outcome, RowScore, drawn, text_hash
from training.tasks.derivations import in_points, parse_arithmetic, write_program

LICENCE = "MIT"
REPORTED_SHARE = 0.4
FACTS_PER_QUESTION = 3
# Pages run to a thousand tokens; training rows keep about a third.
EVIDENCE_BUDGET = Budget(table_tokens=250, text_tokens=120)
_STEP = re.compile(r"(\w+)\((.*?), (.*?)\)(?:, |$)")
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "exp": "^", "greater": ">"}
_ROW_FUNCTIONS = {"table_average": "avg", "table_max": "max", "table_min": "min", "table_sum": "sum"}
_TWICE_PRINTED = re.compile(r"^(\$?\s*-?\s*[\d.,]+\s*%?)\s*\(\s*-?[\d.,]+\s*%?\s*\)$")
# The source's text lost its dashes: an en or em dash in a cell became the digits of its code point.
_LOST_DASH = re.compile(r"^\$?\s*201[34]$")
_ASKS_PERCENT = re.compile(r"percent|%|proportion|portion|growth|margin|rate of|\brate\b|share of|return", re.I)


class FinqaTask:
    """Rows over the annotated facts and the page's next best ones, as a retriever would bring them."""

    name = "finqa"

    def examples(self, path: Path) -> Iterator[Example]:
        """Yield one example a row of `train.jsonl`, `dev.jsonl` (whole pages) or `dev_retrieved_context.jsonl`."""
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                row = json.loads(line)
                yield self._retrieved(row, number) if "contexts" in row else self._page(row)

    def page_examples(self, path: Path) -> Iterator[Example]:
        """Yield the rows over the whole page with evidence selected as serving does."""
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                document = page_document(row)
                evidence = select_evidence(row["question"], document, BALANCED)
                yield _example(row, f"{row['id']}#page", document, evidence.text, page_of(row["id"]))

    def score(self, example: Example, output: str) -> RowScore:
        """Score by execution accuracy: the result to five digits, or yes/no; percentages count as their fraction."""
        try:
            result = execution_result(output)
        except UnparseableAnswerError:
            return RowScore(example.uid, Outcome.UNPARSEABLE, {"execution_accuracy": 0.0}, example.gold["bucket"])
        if result is None:
            return RowScore(example.uid, Outcome.REFUSED, {"execution_accuracy": 0.0}, example.gold["bucket"])
        right = result == example.gold["exe_ans"]
        outcome = Outcome.CORRECT if right else Outcome.WRONG
        return RowScore(example.uid, outcome, {"execution_accuracy": float(right)}, example.gold["bucket"], result)

    def _page(self, row: dict[str, Any]) -> Example:
        document = page_document(row)
        rows = [int(name.removeprefix("table_")) for name in row["gold_inds"] if name.startswith("table_")]
        gold_texts = [" ".join(text.split()) for name, text in row["gold_inds"].items() if name.startswith("text_")]
        wanted = FACTS_PER_QUESTION - len(rows) - len(gold_texts)
        fill = [text for text in rank_sentences(row["question"], document) if text not in gold_texts][: max(0, wanted)]
        text = facts_text(document, rows, [*gold_texts, *fill])
        return _example(row, row["id"], document, text, page_of(row["id"]))

    def _retrieved(self, row: dict[str, Any], number: int) -> Example:
        table = _table(row["table"])
        by_sentence = {_squeezed(row_sentence(row["table"], at)): at for at in range(len(row["table"]))}
        rows = [by_sentence[_squeezed(text)] for text in row["contexts"] if _squeezed(text) in by_sentence]
        texts = [" ".join(text.split()) for text in row["contexts"] if _squeezed(text) not in by_sentence]
        document = Document((table,), tuple(texts))
        group = page_of(row["id"]) if row["id"] else text_hash([cell for cells in row["table"] for cell in cells])
        return _example(row, row["id"] or f"row-{number}", document, facts_text(document, rows, texts), group)


def _example(row: dict[str, Any], uid: str, document: Document, text: str, group: str) -> Example:
    line = target_line(row["program"], row["table"], row["question"], row["exe_ans"])
    steps = len(_STEP.findall(row["program"]))
    return Example(
        task="finqa",
        uid=uid,
        messages=figures_messages(row["question"], text),
        answer=None if line is None else str(line),
        gold={"exe_ans": row["exe_ans"], "program": row["program"], "bucket": f"{min(steps, 4)} steps"},
        group=group,
        licence=LICENCE,
        source="finqa",
        document=document,
    )


def page_of(identifier: str) -> str:
    """Return the page of a question id: `AAL/2014/page_18.pdf-3` and ConvFinQA's `Single_AAL/...` are one page."""
    return identifier.removeprefix("Single_").removeprefix("Double_").rsplit("-", 1)[0]


def is_reported(example: Example) -> bool:
    """Return whether a row of the dev split belongs to the pages that results are told of; the others are trained on.

    Fixed by the page's name, not by a seed. A row that lost its name is always reported.
    """
    return "/" not in example.group or drawn(f"finqa-reported:{example.group}") < REPORTED_SHARE


def page_document(row: dict[str, Any]) -> Document:
    """Return a whole page: its table, then the text before and after it."""
    texts = [" ".join(text.split()) for text in (*row["pre_text"], *row["post_text"])]
    return Document((_table(row["table"]),), tuple(text for text in texts if len(text) > 2))


def facts_text(document: Document, rows: Sequence[int], texts: Sequence[str]) -> str:
    """Return the evidence made of some table rows (numbered as FinQA does, the header is 0) and sentences."""
    table = document.tables[0]
    shift = 1
    keep = frozenset(row - shift for row in rows if row >= shift)
    return "\n".join(part for part in (table.text(keep), *texts) if part)


def row_sentence(cells: Sequence[Sequence[str]], at: int) -> str:
    """Return the sentence FinQA makes of a table row."""
    header = cells[0]
    return header[0] + "".join(
        f" the {cells[at][0]} of {name} is {cell} ;" for name, cell in zip(header[1:], cells[at][1:], strict=False)
    )


def target_line(program: str, table: Sequence[Sequence[str]], question: str, gold: float | str) -> AnswerLine | None:
    """Return the line for a FinQA program, verified by execution; None where none gives the gold result."""
    try:
        expression = _expression(program, table)
    except (ValueError, IndexError, KeyError):
        return None
    candidates: list[AnswerLine] = []
    tree = parse_arithmetic(expression)
    if tree is not None:
        points = write_program(in_points(tree))
        plain = write_program(tree)
        if ("pct(" in points and _is_change(tree)) or _ASKS_PERCENT.search(question):
            candidates.append(number_line(points, Scale.PERCENT))
        candidates.append(number_line(plain, Scale.NONE))
    candidates.append(number_line(expression, Scale.NONE))
    return next((line for line in candidates if _gives(line, gold)), None)


def plain_number(text: str) -> AnswerLine | None:
    """Return the line of a figure that is copied as it stands; None where the text is no number."""
    try:
        operand = _operand(text, [])
    except (ValueError, IndexError):
        return None
    return span_line((operand.strip("()"),), Scale.NONE)


def execution_result(output: str) -> float | str | None:
    """Return what FinQA's evaluation compares: the number to five digits, `yes` or `no`; None for a refusal.

    Raises UnparseableAnswerError.
    """
    answer = read_answer(output, None)
    if answer.kind is AnswerKind.NOT_FOUND:
        return None
    if answer.kind is AnswerKind.TRUTH:
        return answer.text
    if answer.value is None:
        return answer.text
    value = answer.value / 100 if answer.scale is Scale.PERCENT or answer.text.endswith("%") else answer.value
    return round(float(value), 5)


def _gives(line: AnswerLine, gold: float | str) -> bool:
    try:
        return execution_result(str(line)) == gold
    except UnparseableAnswerError:
        return False


def _is_change(tree: ast.expr) -> bool:
    points = in_points(tree)
    return isinstance(points, ast.Call) and isinstance(points.func, ast.Name) and points.func.id == "pct"


def _expression(program: str, table: Sequence[Sequence[str]]) -> str:
    """Return FinQA's steps as one expression; raises ValueError, IndexError or KeyError for a step it does not know."""
    results: list[str] = []
    for name, left, right in _STEP.findall(program):
        if name in _ROW_FUNCTIONS:
            results.append(f"{_ROW_FUNCTIONS[name]}({','.join(_row_figures(left, table))})")
            continue
        a, b = _operand(left, results), _operand(right, results)
        results.append(f"{a}{_SIGNS[name]}{b}" if name == "greater" else f"({a}{_SIGNS[name]}{b})")
    text = results[-1]
    return text[1:-1] if text.startswith("(") and text.endswith(")") and _is_one_group(text) else text


def _operand(text: str, results: Sequence[str]) -> str:
    text = text.strip()
    if text.startswith("#"):
        return results[int(text[1:])]
    text = text.replace("const_m", "-").replace("const_", "").replace(",", "").replace(" ", "")
    float(text.rstrip("%"))
    return f"({text})" if text.startswith("-") else text


def _row_figures(label: str, table: Sequence[Sequence[str]]) -> list[str]:
    cells = next(row[1:] for row in reversed(table) if row[0] == label)
    figures = [cell.replace("$", "").split("(")[0].replace(",", "").replace(" ", "") for cell in cells]
    for figure in figures:
        float(figure.rstrip("%"))
    return figures


def _is_one_group(text: str) -> bool:
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return at == len(text) - 1
    return False


def _table(cells: Sequence[Sequence[str]]) -> Table:
    """Return the table with its dashes back and each figure once: FinQA prints a bracketed one as `-6.9 ( 6.9 )`."""
    return Table.with_header([cells[0], *([row[0], *map(_cell, row[1:])] for row in cells[1:])])


def _cell(text: str) -> str:
    text = text.strip()
    return "-" if _LOST_DASH.match(text) else _TWICE_PRINTED.sub(r"\1", text)


def _squeezed(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
