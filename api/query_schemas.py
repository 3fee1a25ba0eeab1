"""What goes over the wire for queries over a collection."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.job_views import timestamp
from api.schemas import Timestamp
from common.bulk import BulkRun, RunStatus
from common.collections import ItemError
from common.queries import QueryQuestion, QuerySpec, Row, Scope

QuestionText = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"\S")]


class QuestionInput(BaseModel):
    """A question with an id of your own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    text: QuestionText


class QueryCreation(BaseModel):
    """Questions, a template's questions, or both."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    questions: list[QuestionText | QuestionInput] = Field(
        default=[], max_length=1_000, description="Plain texts are called q1, q2, … by their place."
    )
    template: Literal["signals"] | None = Field(None, description="Adds the questions of a template.")
    scope: Annotated[Scope, Field(strict=False)] = Field(
        Scope.DOCUMENTS, description="Ask each document, or all documents of the collection together."
    )


class QueryStatus(StrEnum):
    """How a query stands; completed, cancelled, failed and expired are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self not in (QueryStatus.QUEUED, QueryStatus.RUNNING, QueryStatus.CANCELLING)


class QueryCounts(BaseModel):
    """How many rows stand where; `verified` to `not_found` are shares of `succeeded`."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    pending: int = 0
    verified: int = 0
    unverified: int = 0
    not_found: int = 0


class QueryView(BaseModel):
    """A query as its caller sees it."""

    id: str
    object: Literal["query"] = "query"
    collection_id: str
    status: QueryStatus
    scope: Scope
    template: str | None
    questions: list[QueryQuestion]
    retry_of: str | None = Field(description="The query whose failed rows are asked again.")
    counts: QueryCounts
    created_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    error: ItemError | None


class QueryPage(BaseModel):
    """A page of queries."""

    object: Literal["list"] = "list"
    data: list[QueryView]
    has_more: bool
    last_id: str | None


class RowPage(BaseModel):
    """A page of rows in row order, those that wait included."""

    object: Literal["list"] = "list"
    data: list[Row]
    has_more: bool
    last_index: int | None


_STATUSES = {
    RunStatus.VALIDATING: QueryStatus.QUEUED,
    RunStatus.IN_PROGRESS: QueryStatus.RUNNING,
    RunStatus.FINALIZING: QueryStatus.RUNNING,
    RunStatus.CANCELLING: QueryStatus.CANCELLING,
    RunStatus.COMPLETED: QueryStatus.COMPLETED,
    RunStatus.CANCELLED: QueryStatus.CANCELLED,
    RunStatus.FAILED: QueryStatus.FAILED,
    RunStatus.EXPIRED: QueryStatus.EXPIRED,
}


def query_status(run: BulkRun) -> QueryStatus:
    """Return the status that a query's caller sees."""
    return _STATUSES[run.status]


def query_view(run: BulkRun, counts: QueryCounts) -> QueryView:
    """Return a query for the wire."""
    spec = QuerySpec.model_validate(run.spec)
    ended = (run.completed_at_ms, run.failed_at_ms, run.expired_at_ms, run.cancelled_at_ms)
    error = run.errors[0] if run.errors else None
    return QueryView(
        id=run.id,
        collection_id=spec.collection_id,
        status=query_status(run),
        scope=spec.scope,
        template=spec.template,
        questions=list(spec.questions),
        retry_of=spec.retry_of,
        counts=counts,
        created_at=timestamp(run.created_at_ms),
        started_at=timestamp(run.in_progress_at_ms),
        finished_at=timestamp(next((at_ms for at_ms in ended if at_ms), None)),
        error=ItemError(code=error.code, message=error.message) if error else None,
    )
