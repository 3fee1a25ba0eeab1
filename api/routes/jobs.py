"""Jobs: submit, look or wait, follow, cancel, list."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sse_starlette import EventSourceResponse

from api.deps import Call, CallContext
from api.headers import (
    EVENT_ID_PATTERN,
    IDEMPOTENCY_KEY,
    IDEMPOTENCY_KEY_PATTERN,
    LAST_EVENT_ID,
    Preferences,
    read_event_id,
    read_idempotency_key,
    read_preferences,
)
from api.job_views import job_page
from api.responses import LOCATION, RETRY_AFTER, job_response, json_response, problems
from api.route import GatewayRoute
from api.schemas import JOB_ID_PATTERN, JobPage, JobSubmission, JobView
from api.service import Accepted
from common.errors import UnavailableError
from common.events import EventType

EVERYWHERE = problems("unauthorized", "wrong_host", "invalid_request", "headers_too_large", "unavailable")
ON_A_JOB = EVERYWHERE | problems("not_found")
ON_SUBMISSION = ON_A_JOB | problems(
    "malformed_body",
    "malformed_header",
    "body_timeout",
    "body_too_large",
    "unsupported_media_type",
    "invalid_request",
    "prompt_too_long",
    "webhook_target_refused",
    "idempotency_key_reused",
    "queue_full",
    "too_many_jobs",
    "model_files_error",
    "unavailable",
)

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=GatewayRoute)

EVENT_SCHEMA = {
    "type": "object",
    "description": "One event of the stream; `data` is JSON with `job_id`, `at` and what the kind of event tells.",
    "properties": {
        "id": {"type": "string", "pattern": EVENT_ID_PATTERN},
        "event": {"type": "string", "enum": list(EventType)},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}

JobId = Annotated[str, Path(description="Id of a job, as submission answered it.", examples=["job_" + "0" * 28])]
WaitSeconds = Annotated[
    float, Query(ge=0, le=60, allow_inf_nan=False, description="Wait up to this many seconds for the job to end.")
]
# The patterns are there for the description; the readers in api/headers.py refuse with better words.
EventIdHeader = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias=LAST_EVENT_ID,
        description="Only events after this one; browsers send it by themselves.",
        json_schema_extra={"pattern": EVENT_ID_PATTERN},
    ),
]
EventIdQuery = Annotated[
    str | SkipJsonSchema[None],
    Query(
        description="The same as the Last-Event-ID header, for clients that cannot set headers.",
        json_schema_extra={"pattern": EVENT_ID_PATTERN},
    ),
]
IdempotencyKey = Annotated[
    str | SkipJsonSchema[None],
    Header(
        alias=IDEMPOTENCY_KEY,
        description="A quoted string, new for each job: the same key and body answer the same job for a day.",
        json_schema_extra={"pattern": IDEMPOTENCY_KEY_PATTERN},
    ),
]
Prefer = Annotated[
    list[str] | SkipJsonSchema[None],
    Header(
        alias="Prefer",
        description="RFC 7240: `wait=N` answers when the job has ended or after N seconds; `respond-async`.",
    ),
]


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    summary="Submit a question",
    responses=ON_SUBMISSION
    | {
        200: {"model": JobView, "description": "The job, which has ended already."},
        202: {
            "model": JobView,
            "description": "The job was accepted and will be done, whatever fails.",
            "headers": {"Location": LOCATION, "Retry-After": RETRY_AFTER},
        },
    },
)
async def submit_job(
    request: Request,
    call: Call,
    submission: JobSubmission,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Queue a question and answer 202 with the job, or 200 if `Prefer: wait` saw its end.

    Send an `Idempotency-Key` to be able to repeat the request after a broken connection without asking twice.
    """
    preferences = read_preferences(prefer or (), call.gateway.settings.max_wait_s)
    accepted = await call.jobs.submit(call.caller, submission, read_idempotency_key(idempotency_key))
    return await _submitted(request, call, accepted, preferences)


@router.get("", summary="List jobs", response_model=JobPage, responses=EVERYWHERE)
async def list_jobs(
    call: Call,
    limit: Annotated[int, Query(ge=1, le=100, description="Most jobs on the page.")] = 20,
    after: Annotated[
        Annotated[str, Field(pattern=JOB_ID_PATTERN)] | SkipJsonSchema[None],
        Query(description="Read on below this job: `last_id` of the page before."),
    ] = None,
) -> Response:
    """Return your jobs, newest first."""
    jobs, has_more = await call.jobs.page(call.caller, after, limit)
    return json_response(job_page(jobs, has_more))


@router.get("/{job_id}", summary="Look at a job", response_model=JobView, responses=ON_A_JOB)
async def get_job(request: Request, call: Call, job_id: JobId, wait: WaitSeconds = 0) -> Response:
    """Return a job; with `wait`, as soon as it has ended (long poll)."""
    wait_s = min(wait, call.gateway.settings.max_wait_s)
    return job_response(await call.jobs.wait(call.caller, job_id, wait_s, request.is_disconnected))


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    response_class=EventSourceResponse,
    responses=ON_A_JOB
    | problems("malformed_header", "too_many_streams")
    | {
        200: {
            "description": "Server-sent events: `queued`, `running`, `token`, `requeued`, `cancelling`, and last one "
            "of `succeeded`, `failed`, `cancelled`, `expired`, whose data holds the whole job.",
            "content": {"text/event-stream": {"schema": EVENT_SCHEMA}},
        },
        204: {"description": "The job has ended and every event was seen: do not connect again."},
    },
)
async def follow_job(
    call: Call,
    job_id: JobId,
    last_event_id_header: EventIdHeader = None,
    last_event_id: EventIdQuery = None,
) -> Response:
    """Stream a job's events from the first one, or from where an earlier stream ended.

    `token` events carry text that starts `offset` characters into the answer of that `attempt`; a `requeued` event
    voids the text so far.
    """
    from_header = read_event_id(last_event_id_header, LAST_EVENT_ID)
    from_query = read_event_id(last_event_id, "last_event_id")
    return await call.gateway.streams.open(call.caller, job_id, from_header or from_query) or Response(status_code=204)


@router.post("/{job_id}/cancel", summary="Cancel a job", response_model=JobView, responses=ON_A_JOB)
async def cancel_job(call: Call, job_id: JobId) -> Response:
    """Cancel a queued job at once and ask a running one to stop; a job that has ended stays as it is."""
    return job_response(await call.jobs.cancel(call.caller, job_id))


async def _submitted(request: Request, call: CallContext, accepted: Accepted, preferences: Preferences) -> Response:
    described = accepted.described
    if preferences.wait_s is not None:
        try:
            described = await call.jobs.wait(call.caller, described.job.id, preferences.wait_s, request.is_disconnected)
        except UnavailableError:
            # The job is accepted all the same; an error here would invite the client to submit it twice.
            described = accepted.described
    headers = {"Vary": "Prefer"}
    if applied := preferences.applied():
        headers["Preference-Applied"] = applied
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    return job_response(described, 200 if described.job.status.is_terminal else 202, headers)
