"""The one-line answers of the tuned model: strict parsing, execution, scale and sign, and the text people read.

    line := "=" program " | " scale          a number, computed by common/calculator.py
          | item (" ## " item)* " | " scale   spans copied from the context
          | "#" item (" ## " item)* " | none" how many items there are
          | "not in the context"

With the scale `percent` a program's value is in percentage points: `=pct(120.5,100) | percent` is 20.5%.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from common.calculator import Operand, ProgramError, calculate
from common.errors import UnparseableAnswerError
from common.evidence import Document
from common.numbers import Scale, format_figure, parse_figure
from common.per_share import asks_per_share

NOT_FOUND_LINE = "not in the context"
SCALE_SEPARATOR = " | "
ITEM_SEPARATOR = " ## "
MAX_LINE_CHARS = 4000
MAX_ITEMS = 64
SENTIMENT_LABELS = ("negative", "neutral", "positive")
_SCALES = {scale.value: scale for scale in Scale}


class AnswerKind(StrEnum):
    """What sort of answer a line holds."""

    NUMBER = "number"
    TRUTH = "truth"
    SPANS = "spans"
    COUNT = "count"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A line as the model wrote it: a `program`, or `items`, or neither where nothing was found."""

    kind: AnswerKind
    scale: Scale
    program: str | None = None
    items: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind is AnswerKind.NOT_FOUND:
            return NOT_FOUND_LINE
        if self.program is not None:
            body = f"={self.program}"
        else:
            body = ("#" if self.kind is AnswerKind.COUNT else "") + ITEM_SEPARATOR.join(self.items)
        return f"{body}{SCALE_SEPARATOR}{self.scale}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A resolved answer: `text` for people, and how it came about.

    `scale` is the line's and `value` is in units of `value_scale` (percentage points for percent); `program` and
    `operands` are kept for checking.
    """

    kind: AnswerKind
    text: str
    scale: Scale
    items: tuple[str, ...] = ()
    value: Fraction | None = None
    truth: bool | None = None
    program: str | None = None
    operands: tuple[Operand, ...] = ()

    @property
    def value_scale(self) -> Scale:
        """Return the scale of `value`: that of a figure copied with one, `$3.4 million`, else that of the line."""
        copied = parse_figure(self.items[0]) if self.kind is AnswerKind.SPANS and self.value is not None else None
        return self.scale if copied is None or copied.scale is Scale.NONE else copied.scale


def number_line(program: str, scale: Scale) -> AnswerLine:
    """Return the line of a computed number or comparison."""
    return AnswerLine(AnswerKind.NUMBER, scale, program=program)


def span_line(items: tuple[str, ...], scale: Scale) -> AnswerLine:
    """Return the line of copied spans."""
    return AnswerLine(AnswerKind.SPANS, scale, items=items)


def count_line(items: tuple[str, ...]) -> AnswerLine:
    """Return the line that counts its items."""
    return AnswerLine(AnswerKind.COUNT, Scale.NONE, items=items)


NOT_FOUND = AnswerLine(AnswerKind.NOT_FOUND, Scale.NONE)


def parse_line(text: str) -> AnswerLine:
    """Read the model's line; raises UnparseableAnswerError with what is wrong. Programs are not run here."""
    line = text.strip()
    if line == NOT_FOUND_LINE:
        return NOT_FOUND
    if len(line) > MAX_LINE_CHARS or "\n" in line:
        raise UnparseableAnswerError(f"The answer is not one line of at most {MAX_LINE_CHARS} characters.")
    body, separator, scale_word = line.rpartition(SCALE_SEPARATOR)
    scale = _SCALES.get(scale_word)
    if not separator or scale is None:
        raise UnparseableAnswerError(f"The answer '{line[:80]}' does not end in ' | ' and a scale.")
    if body.startswith("="):
        return number_line(body[1:].strip(), scale)
    counted = body.startswith("#") and not body.startswith("##")
    items = tuple(item.strip() for item in body.removeprefix("#" if counted else "").split(ITEM_SEPARATOR))
    if not all(item.strip("# ") for item in items) or len(items) > MAX_ITEMS:
        raise UnparseableAnswerError(f"The answer '{line[:80]}' has an empty item or more than {MAX_ITEMS} items.")
    return AnswerLine(AnswerKind.COUNT if counted else AnswerKind.SPANS, scale, items=items)


def resolve(line: AnswerLine, document: Document | None) -> Answer:
    """Execute and finish an answer line.

    Figures copied from a compact table get back the form the document prints them in. Raises UnparseableAnswerError
    where the program cannot be run.
    """
    if line.kind is AnswerKind.NOT_FOUND:
        return Answer(line.kind, "The context does not hold the answer.", line.scale)
    if line.program is not None:
        return _computed(line.program, line.scale)
    if line.kind is AnswerKind.COUNT:
        return Answer(line.kind, str(len(line.items)), Scale.NONE, line.items, Fraction(len(line.items)))
    printed = _printed_forms(document) if document else {}
    items = tuple(printed.get(item, item) for item in line.items)
    text = ", ".join(_with_scale(item, line.scale) for item in items)
    return Answer(line.kind, text, line.scale, items, _span_value(line.items))


def read_answer(
    text: str, document: Document | None, question: str = "", earlier_questions: Sequence[str] = ()
) -> Answer:
    """Parse and resolve in one step, by what the question allows; raises UnparseableAnswerError."""
    return resolve(allowed_scale(parse_line(text), question, earlier_questions), document)


def allowed_scale(line: AnswerLine, question: str, earlier_questions: Sequence[str] = ()) -> AnswerLine:
    """Return the line without thousand, million or billion where the question asks for an amount per share.

    Statements print such rows in plain currency below a caption that says otherwise. A follow-up, `And in 2022?`, asks
    for what the questions before it, oldest first, asked for.
    """
    if line.scale in (Scale.NONE, Scale.PERCENT) or not asks_per_share(question, earlier_questions):
        return line
    return replace(line, scale=Scale.NONE)


def retry_prefix(text: str) -> str:
    """Return the part of a broken answer that a second, constrained try continues from.

    A line that only lacks its scale keeps its body; a program outside the grammar starts anew after its `=`. It ends
    without a space, because tokens begin with theirs, and is empty where there is nothing to go on from.
    """
    line = text.strip().split("\n", 1)[0][:MAX_LINE_CHARS]
    body = re.split(r"\s*\|", line, maxsplit=1)[0].strip()
    if not body.startswith("="):
        return _before_scale(body) if body else ""
    try:
        calculate(body[1:])
    except ProgramError:
        return "="
    return _before_scale(body)


def _before_scale(body: str) -> str:
    return f"{body}{SCALE_SEPARATOR}".rstrip()


def _computed(program: str, scale: Scale) -> Answer:
    try:
        result = calculate(program)
    except ProgramError as error:
        raise UnparseableAnswerError(f"The program cannot be run: {error.message}") from error
    if result.value is None:
        word = "yes" if result.truth else "no"
        return Answer(
            AnswerKind.TRUTH, word, Scale.NONE, truth=result.truth, program=result.program, operands=result.operands
        )
    return Answer(
        AnswerKind.NUMBER,
        format_figure(result.value, scale, _decimals(result.value)),
        scale,
        value=result.value,
        program=result.program,
        operands=result.operands,
    )


def _decimals(value: Fraction) -> int:
    """Return 2, or as many digits as a small value needs to show two significant ones (6 at most)."""
    decimals = 2
    while decimals < 6 and value and abs(value) * 10 ** (decimals - 1) < 1:
        decimals += 1
    return decimals


def _printed_forms(document: Document) -> dict[str, str]:
    printed: dict[str, str] = {}
    for table in document.tables:
        for row in table.rows:
            for cell in row.cells:
                printed.setdefault(table.compact(cell), cell)
    return printed


def _with_scale(item: str, scale: Scale) -> str:
    figure = parse_figure(item)
    if scale is Scale.NONE or figure is None or figure.scale is not Scale.NONE:
        return item
    return f"{item}%" if scale is Scale.PERCENT else f"{item} {scale}"


def _span_value(items: tuple[str, ...]) -> Fraction | None:
    if len(items) != 1:
        return None
    figure = parse_figure(items[0])
    return None if figure is None else Fraction(figure.value)
