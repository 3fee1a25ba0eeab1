"""What goes over the wire for batches, as OpenAI clients expect it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.file_schemas import Seconds
from common.batches import COMPLETION_WINDOW, BatchSpec
from common.bulk import BulkRun, RunKind, RunStatus, run_id_pattern
from common.wire import Labels

BATCH_ENDPOINT = "/v1/chat/completions"
BATCH_ID_PATTERN = run_id_pattern(RunKind.BATCH)


def _batchable(endpoint: Any) -> Any:
    if endpoint != BATCH_ENDPOINT:
        # A plain ValueError would be shown with a prefix of its own.
        raise PydanticCustomError(
            "endpoint_not_batchable",
            "Only {endpoint} can be batched. Send single jobs to POST /v1/jobs, and questions over many reports to "
            "POST /v1/collections/ID/queries (financellm bulk).",
            {"endpoint": BATCH_ENDPOINT},
        )
    return endpoint


class OutputExpiry(BaseModel):
    """When the output files are removed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    anchor: Literal["created_at"]
    seconds: Seconds


class BatchSubmission(BaseModel):
    """A file of requests to be done when there is room for them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input_file_id: str = Field(min_length=1, max_length=64, description="A file uploaded with purpose `batch`.")
    endpoint: Annotated[Literal["/v1/chat/completions"], BeforeValidator(_batchable)] = Field(
        description="Chats alone; questions over reports are asked of a collection (`financellm bulk`)."
    )
    completion_window: Literal["24h"]
    metadata: Labels | None = None
    output_expires_after: OutputExpiry | None = None


class BatchError(BaseModel):
    """Why a batch was refused; `line` counts from one."""

    code: str
    message: str
    line: int | None
    param: str | None


class BatchErrors(BaseModel):
    """The first errors found by the validation."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(BaseModel):
    """Requests of a batch, counted from their records; those without one are neither completed nor failed."""

    total: int
    completed: int
    failed: int


class BatchView(BaseModel):
    """A batch; times are Unix seconds."""

    id: str = Field(pattern=BATCH_ID_PATTERN)
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: RunStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: RequestCounts
    metadata: dict[str, str] | None


class BatchPage(BaseModel):
    """Batches, newest first; pass `last_id` as `after` to read on."""

    object: Literal["list"] = "list"
    data: list[BatchView]
    first_id: str | None
    last_id: str | None
    has_more: bool


def batch_view(run: BulkRun) -> BatchView:
    """Return a batch as its caller sees it."""
    spec = BatchSpec.model_validate(run.spec)
    stamps: dict[str, Any] = {
        name: None if (at_ms := getattr(run, f"{name}_ms")) is None else at_ms // 1000
        for name in BatchView.model_fields
        if name.endswith("_at")
    }
    errors = [BatchError.model_validate(error.model_dump()) for error in run.errors]
    return BatchView(
        id=run.id,
        endpoint=spec.endpoint,
        errors=BatchErrors(data=errors) if errors else None,
        input_file_id=spec.input_file_id,
        completion_window=COMPLETION_WINDOW,
        status=run.status,
        output_file_id=run.output_file_id,
        error_file_id=run.error_file_id,
        request_counts=RequestCounts(total=run.total, completed=run.completed, failed=run.failed),
        metadata=run.metadata,
        **stamps,
    )
