"""Questions over the documents of a collection as plain values: the query, its plan and its rows."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from common.collections import ItemError
from common.values import Value

PLANS_FOLDER = "plans/"
_PLAN_SUFFIX = ".jsonl"


class Scope(StrEnum):
    """What a question is put to: every document of its own, or all documents together."""

    DOCUMENTS = "documents"
    COLLECTION = "collection"


class RowStatus(StrEnum):
    """How a row stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class QueryQuestion(Value):
    """A question and what its asker calls it."""

    id: str
    text: str


class QuerySpec(Value):
    """What a query asks.

    `only` names pairs (document id, question id) where not every row is wanted; `retry_of` is the query they failed in.
    """

    collection_id: str
    questions: tuple[QueryQuestion, ...]
    template: str | None = None
    scope: Scope = Scope.DOCUMENTS
    retry_of: str | None = None
    only: tuple[tuple[str, str], ...] | None = None


class PlannedPage(Value):
    """A page chosen for a row; `sha256` is that of its document's file."""

    document_id: str
    document: str
    sha256: str
    page: int


class PlannedRow(Value):
    """One row before it is answered; with an `error` it is never asked.

    `more` are pages asked alone, in turn, where those before gave no verified answer. `pages_dropped` were found and
    are not among `pages`.
    """

    index: int
    document_id: str
    document: str
    question_id: str
    question: str
    pages: tuple[PlannedPage, ...] = ()
    more: tuple[PlannedPage, ...] = ()
    pages_dropped: int = 0
    error: ItemError | None = None


class Row(BaseModel):
    """One answer of a query, or why there is none; what does not apply is null."""

    index: int
    document_id: str
    document: str
    question_id: str
    question: str
    status: RowStatus
    text: str | None = None
    kind: str | None = None
    value: str | None = None
    scale: str | None = None
    verification: str | None = None
    confidence: float | None = None
    program: str | None = None
    operands: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    evidence: dict[str, Any] | None = None
    error: ItemError | None = None
    timings: dict[str, Any] | None = None


def plan_key(run_id: str) -> str:
    """Return where a query's plan is kept: one PlannedRow as JSON a line, in row order."""
    return f"{PLANS_FOLDER}{run_id}{_PLAN_SUFFIX}"


def planned_run_id(key: str) -> str:
    """Return the id of the query whose plan is kept under the key."""
    return key.removeprefix(PLANS_FOLDER).removesuffix(_PLAN_SUFFIX)


def pending_row(planned: PlannedRow) -> Row:
    """Return a row that has no answer yet."""
    return Row(
        index=planned.index,
        document_id=planned.document_id,
        document=planned.document,
        question_id=planned.question_id,
        question=planned.question,
        status=RowStatus.PENDING,
    )
