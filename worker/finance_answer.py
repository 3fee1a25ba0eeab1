"""From what the model wrote to the answer people get: read, executed, and checked against the sources."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from common.answers import SENTIMENT_LABELS, Answer, AnswerKind, read_answer
from common.calculator import Calculation
from common.errors import UnparseableAnswerError
from common.evidence import split_sentences
from common.finance_answers import (
    AnswerNumber,
    AnswerOperand,
    Citation,
    FinanceAnswer,
    ResultKind,
    Verification,
)
from common.finance_requests import document_of
from common.finance_tasks import Task
from common.jobs import GenerateRequest
from common.numbers import Scale, exact_text, parse_figure
from worker.answer_sources import AnswerSources
from worker.grounding import CheckedNumber, check_numbers
from worker.operands import Computation, check_operands, objection_to
from worker.retrieval.figures import find_figures

_SHORTEST_QUOTED_SENTENCE_CHARS = 20
_CONFIDENCE_DIGITS = 4
_YEAR = re.compile(r"(?:19|20)\d\d")
_SCALED = frozenset({AnswerKind.NUMBER, AnswerKind.SPANS})


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """The text for people and the answer taken apart, None for text that has no sources."""

    text: str
    answer: FinanceAnswer | None


def read(request: GenerateRequest, line: str, retried: bool) -> ReadAnswer:
    """Return the answer in what the model wrote; a line that cannot be read is an answer of kind `unparseable`."""
    if request.task is Task.SENTIMENT:
        return _label(request, line)
    if request.task is Task.FIGURES:
        return _Reading(request, line, retried).figures()
    if not request.sources:
        return ReadAnswer(line, None)
    return _Reading(request, line, retried).sentences()


def with_confidence(found: ReadAnswer, logprob: float | None) -> ReadAnswer:
    """Return the answer with the probability of its line, whose natural logarithm the engine told, if it did."""
    if found.answer is None or logprob is None:
        return found
    confidence = round(math.exp(min(logprob, 0.0)), _CONFIDENCE_DIGITS)
    return replace(found, answer=found.answer.model_copy(update={"confidence": confidence}))


def _label(request: GenerateRequest, line: str) -> ReadAnswer:
    is_label = line.strip() in SENTIMENT_LABELS
    answer = FinanceAnswer(
        task=request.task,
        kind=ResultKind.LABEL if is_label else ResultKind.UNPARSEABLE,
        verification=Verification.NO_NUMBERS if is_label else Verification.UNVERIFIED,
        line=line,
    )
    return ReadAnswer(line.strip(), answer)


class _Reading:
    def __init__(self, request: GenerateRequest, line: str, retried: bool) -> None:
        self._request = request
        self._line = line
        self._retried = retried
        self._question = request.question or ""
        self._sources = AnswerSources(request.sources)

    def figures(self) -> ReadAnswer:
        """Read an answer line."""
        try:
            answer = read_answer(
                self._line, document_of(self._request.sources), self._question, self._request.earlier_questions
            )
        except UnparseableAnswerError:
            return self._unparseable()
        if answer.kind is AnswerKind.NOT_FOUND:
            return ReadAnswer(answer.text, self._answer(ResultKind.NOT_FOUND, Verification.NO_NUMBERS))
        calculation = _calculation(answer)
        operands = () if calculation is None else self._operands(calculation)
        numbers = self._numbers(answer, calculation)
        calculated = () if calculation is None else self._stated(calculation, operands)
        quotes = [None if _is_figure(item) else self._sources.quote(item) for item in answer.items]
        copied = [
            quote is not None and not _is_heading(item)
            for item, quote in zip(answer.items, quotes, strict=True)
            if not _is_figure(item)
        ]
        verdicts = [*(number.verified for number in numbers), *copied, *calculated]
        value, scale = _value(answer)
        found = FinanceAnswer(
            task=self._request.task,
            kind=ResultKind(answer.kind),
            verification=_verification(verdicts),
            value=value,
            scale=scale,
            items=answer.items,
            program=answer.program,
            operands=operands,
            line=self._line,
            numbers=numbers,
            citations=_distinct((*_cited(numbers), *(operand.citation for operand in operands), *quotes)),
            evidence=self._request.evidence,
            retried=self._retried,
        )
        return ReadAnswer(answer.text, found)

    def sentences(self) -> ReadAnswer:
        """Check the numbers of free text and cite the sentences that are copied."""
        numbers = self._checked(check_numbers(self._line, self._sources.passages, question=self._question).numbers)
        copied = [self._sources.quote(sentence) for sentence in _long_sentences(self._line)]
        verification = _verification([number.verified for number in numbers])
        return ReadAnswer(self._line, self._answer(ResultKind.TEXT, verification, numbers, copied))

    def _unparseable(self) -> ReadAnswer:
        text = self._line.strip()
        numbers = self._checked(check_numbers(text, self._sources.passages, question=self._question).numbers)
        return ReadAnswer(text, self._answer(ResultKind.UNPARSEABLE, Verification.UNVERIFIED, numbers))

    def _answer(
        self,
        kind: ResultKind,
        verification: Verification,
        numbers: tuple[AnswerNumber, ...] = (),
        quotes: Sequence[Citation | None] = (),
    ) -> FinanceAnswer:
        return FinanceAnswer(
            task=self._request.task,
            kind=kind,
            verification=verification,
            line=self._line,
            numbers=numbers,
            citations=_distinct((*_cited(numbers), *quotes)),
            evidence=self._request.evidence,
            retried=self._retried,
        )

    def _numbers(self, answer: Answer, calculation: Calculation | None) -> tuple[AnswerNumber, ...]:
        grounding = check_numbers(
            answer.text,
            self._sources.passages,
            question=self._question,
            computations=() if calculation is None else (Computation(calculation, answer.scale),),
            items=answer.items if answer.kind is AnswerKind.COUNT else (),
        )
        return self._checked(grounding.numbers)

    def _stated(self, calculation: Calculation, operands: Sequence[AnswerOperand]) -> tuple[bool, ...]:
        """Return the verdicts that a program's numbers add; a comparison shows no result that could carry them."""
        found = tuple(operand.found for operand in operands)
        if calculation.truth is None:
            # What lies between years may be printed as well.
            return () if all(operand.found or _YEAR.fullmatch(operand.text) for operand in operands) else (False,)
        if not all(found):
            return found
        objection = objection_to(Computation(calculation, Scale.NONE), self._sources.passages, self._question)
        return found if objection is None else (False,)

    def _checked(self, numbers: Iterable[CheckedNumber]) -> tuple[AnswerNumber, ...]:
        return tuple(
            AnswerNumber(
                text=number.text,
                start=number.start,
                end=number.end,
                finding=number.finding,
                verified=number.is_verified,
                reason=number.reason,
                citations=_distinct(self._sources.cite(place) for place in number.places),
            )
            for number in numbers
        )

    def _operands(self, calculation: Calculation) -> tuple[AnswerOperand, ...]:
        return tuple(
            AnswerOperand(text=operand.text, found=operand.found, citation=self._sources.cite(operand.place))
            for operand in check_operands(calculation, self._sources.passages, self._question)
        )


def _calculation(answer: Answer) -> Calculation | None:
    if answer.program is None:
        return None
    return Calculation(answer.program, answer.value, answer.truth, answer.operands)


def _value(answer: Answer) -> tuple[str | None, Scale | None]:
    """Return the exact value as text and the scale it is in; a copied name with a digit, `3M`, has no value."""
    if answer.kind is AnswerKind.SPANS and not _is_figure(answer.items[0]):
        return None, answer.scale
    value = None if answer.value is None else exact_text(answer.value)
    return value, answer.value_scale if answer.kind in _SCALED else None


def _verification(verdicts: Sequence[bool]) -> Verification:
    if not verdicts:
        return Verification.NO_NUMBERS
    if all(verdicts):
        return Verification.VERIFIED
    return Verification.PARTLY if any(verdicts) else Verification.UNVERIFIED


def _is_figure(item: str) -> bool:
    """Tell whether an item is a figure that the check of numbers reads; anything else must stand as it is."""
    return parse_figure(item) is not None and any(find_figures(item))


def _is_heading(item: str) -> bool:
    """Tell whether copied words only announce what stands below them."""
    return item.rstrip().endswith(":")


def _long_sentences(text: str) -> Iterable[str]:
    sentences = (sentence for line in text.splitlines() for sentence in split_sentences(line))
    return (sentence for sentence in sentences if len(sentence) >= _SHORTEST_QUOTED_SENTENCE_CHARS)


def _cited(numbers: Iterable[AnswerNumber]) -> Iterable[Citation]:
    return (citation for number in numbers for citation in number.citations)


def _distinct(citations: Iterable[Citation | None]) -> tuple[Citation, ...]:
    return tuple(dict.fromkeys(citation for citation in citations if citation is not None))
