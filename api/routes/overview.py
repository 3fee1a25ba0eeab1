"""What the service is doing right now: lanes, workers, counts and the measured rate."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.deps import Call
from api.responses import json_response, problems
from api.route import GatewayRoute
from common.jobs import Lane
from common.overviews import LaneState, WorkerInfo

router = APIRouter(tags=["service"], route_class=GatewayRoute)


class ServiceOverview(BaseModel):
    """Queues, live workers and counters, at most ten seconds old."""

    lanes: dict[Lane, LaneState] = Field(description="The queue of each lane.")
    workers: tuple[WorkerInfo, ...] = Field(description="Workers that were seen lately.")
    counts: dict[str, int] = Field(description="Jobs running now, and jobs that ended since the store was created.")
    webhooks: int = Field(description="Notifications that wait to be delivered.")
    tokens_per_second: float | None = Field(description="Measured rate of all live workers, null until measured.")


@router.get(
    "/v1/overview",
    summary="Look at queues and workers",
    response_model=ServiceOverview,
    responses=problems("wrong_host", "headers_too_large", "unauthorized", "invalid_request", "unavailable"),
)
async def service_overview(call: Call) -> Response:
    """Return what waits, who works and how fast."""
    now = await call.gateway.capacity.overview()
    return json_response(
        ServiceOverview(
            lanes=now.lanes,
            workers=now.workers,
            counts=now.counts,
            webhooks=now.webhooks,
            tokens_per_second=now.tokens_per_second,
        )
    )
