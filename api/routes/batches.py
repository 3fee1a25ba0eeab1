"""Batches: create, list, look, cancel."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from api.batch_schemas import BATCH_ID_PATTERN, BatchPage, BatchSubmission, BatchView, batch_view
from api.deps import Call
from api.responses import json_response, openai_problems
from api.route import OpenAIRoute

EVERYWHERE = openai_problems("unauthorized", "wrong_host", "invalid_request", "headers_too_large", "unavailable")
ON_A_BATCH = EVERYWHERE | openai_problems("not_found")
ON_SUBMISSION = EVERYWHERE | openai_problems(
    "malformed_body", "body_timeout", "body_too_large", "unsupported_media_type", "invalid_request"
)

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=OpenAIRoute)

BatchId = Annotated[str, Path(description="Id of a batch.", examples=["batch_" + "0" * 22])]


@router.post("", summary="Create a batch", response_model=BatchView, responses=ON_SUBMISSION)
async def create_batch(call: Call, submission: BatchSubmission) -> Response:
    """Accept a file of requests; a worker validates it, then its requests are done beside all other work."""
    return json_response(batch_view(await call.gateway.batches.create(call.caller, submission)))


@router.get("", summary="List batches", response_model=BatchPage, responses=EVERYWHERE)
async def list_batches(
    call: Call,
    after: Annotated[
        Annotated[str, Field(pattern=BATCH_ID_PATTERN)] | SkipJsonSchema[None],
        Query(description="Read on below this batch: `last_id` of the page before."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="Most batches on the page.")] = 20,
) -> Response:
    """Return your batches, newest first."""
    runs, has_more = await call.gateway.batches.page(call.caller, after, limit)
    views = [batch_view(run) for run in runs]
    first, last = (views[0].id, views[-1].id) if views else (None, None)
    return json_response(BatchPage(data=views, first_id=first, last_id=last, has_more=has_more))


@router.get("/{batch_id}", summary="Look at a batch", response_model=BatchView, responses=ON_A_BATCH)
async def get_batch(call: Call, batch_id: BatchId) -> Response:
    """Return a batch with its counts and, once it has ended, its files."""
    return json_response(batch_view(await call.gateway.batches.get(call.caller, batch_id)))


@router.post("/{batch_id}/cancel", summary="Cancel a batch", response_model=BatchView, responses=ON_A_BATCH)
async def cancel_batch(call: Call, batch_id: BatchId) -> Response:
    """Stop a batch; what was done by then is in its files."""
    return json_response(batch_view(await call.gateway.batches.cancel(call.caller, batch_id)))
