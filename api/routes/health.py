"""The process itself: alive, ready, its metrics, and the models behind it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import BaseModel, Field

from api.deps import Call, Parts
from api.gateway import Gateway
from api.models_view import ModelList, ModelView, find_model, served_models
from api.responses import RETRY_AFTER, json_response, problems
from api.route import GatewayRoute
from common.errors import UnavailableError
from common.protocol import MODEL_ALIAS

router = APIRouter(tags=["service"])
guarded = APIRouter(tags=["service"], route_class=GatewayRoute)

EVERYWHERE = problems("wrong_host", "headers_too_large")


class Liveness(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether jobs can be accepted and done, part by part."""

    status: Literal["ready", "not_ready"]
    redis: Literal["ok", "unavailable"]
    worker: Literal["ok", "none_seen", "unknown"] = Field(description="Whether a worker that takes jobs lives.")


@router.get("/livez", summary="Is the process alive?", response_model=Liveness, responses=EVERYWHERE)
async def livez() -> Response:
    """Answer 200 as long as the process serves requests, whatever else is away."""
    return json_response(Liveness())


@router.get(
    "/readyz",
    summary="Can jobs be done?",
    response_model=Readiness,
    responses=EVERYWHERE
    | {503: {"model": Readiness, "description": "A part is away.", "headers": {"Retry-After": RETRY_AFTER}}},
)
async def readyz(gateway: Parts) -> Response:
    """Answer 200 when Redis answers and a worker was seen lately, else 503; a full queue is no reason."""
    readiness = await _readiness(gateway)
    ready = readiness.status == "ready"
    return json_response(readiness, 200 if ready else 503, {} if ready else {"Retry-After": "2"})


@guarded.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses=EVERYWHERE
    | problems("unauthorized", "invalid_request")
    | {200: {"description": "Text exposition format.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(call: Call) -> Response:
    """Return this process's metrics and the state of queues and workers; the latter are NaN while Redis is away."""
    try:
        call.gateway.metrics.queue.show(await call.gateway.capacity.read())
    except UnavailableError:
        call.gateway.metrics.queue.show(None)
    return Response(generate_latest(call.gateway.metrics.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


@guarded.get(
    "/v1/models",
    summary="List models",
    response_model=ModelList,
    responses=EVERYWHERE | problems("unauthorized", "invalid_request", "unavailable"),
)
async def models(call: Call) -> Response:
    """Return the prepared model with its base, adapter, revision and scores, and the workers that serve it."""
    return json_response(await served_models(call.gateway.settings.model_path, call.gateway.capacity))


@guarded.get(
    "/v1/models/{model:path}",
    summary="Look at a model",
    response_model=ModelView,
    responses=EVERYWHERE | problems("unauthorized", "invalid_request", "model_not_found", "unavailable"),
)
async def model(
    call: Call, model: Annotated[str, Path(description=f"A model's id, or `{MODEL_ALIAS}` for the first one.")]
) -> Response:
    """Return one of the served models."""
    models = await served_models(call.gateway.settings.model_path, call.gateway.capacity)
    return json_response(find_model(models, model))


async def _readiness(gateway: Gateway) -> Readiness:
    try:
        overview = await gateway.capacity.read()
    except UnavailableError:
        return Readiness(status="not_ready", redis="unavailable", worker="unknown")
    if all(worker.draining for worker in overview.workers):
        return Readiness(status="not_ready", redis="ok", worker="none_seen")
    return Readiness(status="ready", redis="ok", worker="ok")
