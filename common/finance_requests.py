"""From a question and its sources to what the model is asked: evidence, prompt, and what the answer may cite."""

from collections.abc import Sequence

from common.contexts import parse_context
from common.evidence import BALANCED, WHOLE, Budget, Document, Evidence, select_evidence
from common.finance_answers import EvidenceCounts, Source
from common.finance_tasks import Task
from common.jobs import GenerateRequest
from common.prompts import (
    Message,
    conversation_messages,
    figures_messages,
    question_messages,
    sentiment_messages,
)

CONTEXT_NAME = "context"


def finance_request(
    question: str, sources: Sequence[Source], task: Task, max_tokens: int, budget: Budget = BALANCED
) -> GenerateRequest:
    """Return the request of one question over pages in reading order, within the evidence budget.

    `request.evidence` counts what the prompt kept and dropped. Sentiment is that of the sources' text, or of the
    question itself where there are none.
    """
    if task is Task.SENTIMENT:
        text = "\n".join(source.text for source in sources) or question
        return _request(question, sources, task, max_tokens, sentiment_messages(text), None)
    if not sources:
        return _request(question, sources, task, max_tokens, question_messages(question, None, None), None)
    evidence = select_evidence(question, document_of(sources), budget)
    if task is Task.FIGURES:
        messages = figures_messages(question, evidence.text)
    else:
        messages = question_messages(question, evidence.text, None)
    return _request(question, sources, task, max_tokens, messages, evidence)


def context_request(question: str, context: str | None, task: Task, max_tokens: int) -> GenerateRequest:
    """Return the request of a question over a context of its own; a text answer keeps all of the context."""
    sources = () if context is None else (Source(document=CONTEXT_NAME, text=context),)
    return finance_request(question, sources, task, max_tokens, WHOLE if task is Task.TEXT else BALANCED)


def follow_up_request(
    question: str, earlier: Sequence[tuple[str, str]], context: str, max_tokens: int
) -> GenerateRequest:
    """Return the request of a figures question after others about the same context, each with its answer line.

    Evidence is chosen for all of them together, since a follow-up leaves out what an earlier question named.
    """
    sources = (Source(document=CONTEXT_NAME, text=context),)
    asked = " ".join((*(before for before, _ in earlier), question))
    evidence = select_evidence(asked, document_of(sources), BALANCED)
    messages = conversation_messages(earlier, question, evidence.text)
    request = _request(question, sources, Task.FIGURES, max_tokens, messages, evidence)
    return request.model_copy(update={"earlier_questions": tuple(before for before, _ in earlier)})


def instructed_request(question: str, context: str | None, system: str, max_tokens: int) -> GenerateRequest:
    """Return the request of a caller with instructions of its own, who gets the context word for word."""
    sources = () if context is None else (Source(document=CONTEXT_NAME, text=context),)
    messages = question_messages(question, context, system)
    return _request(question, sources, Task.TEXT, max_tokens, messages, None)


def document_of(sources: Sequence[Source]) -> Document:
    """Return all tables and paragraphs of the sources, in their order."""
    pages = [parse_context(source.text) for source in sources]
    return Document(
        tuple(table for page in pages for table in page.tables),
        tuple(paragraph for page in pages for paragraph in page.paragraphs),
    )


def _request(
    question: str,
    sources: Sequence[Source],
    task: Task,
    max_tokens: int,
    messages: tuple[Message, ...],
    evidence: Evidence | None,
) -> GenerateRequest:
    return GenerateRequest(
        messages=messages,
        max_tokens=max_tokens,
        task=task,
        question=question,
        sources=tuple(sources),
        evidence=None if evidence is None else _counts(evidence),
    )


def _counts(evidence: Evidence) -> EvidenceCounts:
    return EvidenceCounts(
        rows_kept=evidence.rows_kept,
        rows_dropped=evidence.rows_dropped,
        sentences_kept=evidence.sentences_kept,
        sentences_dropped=evidence.sentences_dropped,
    )
