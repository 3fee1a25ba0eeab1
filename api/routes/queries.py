"""Queries: ask questions of a collection, follow, read and export the rows, cancel, retry."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from sse_starlette import EventSourceResponse

from api.deps import Call
from api.headers import LAST_EVENT_ID, read_event_id
from api.query_export import ExportFormat, Layout, row_lines, wide_lines
from api.query_schemas import QueryCreation, QueryPage, QueryView, RowPage, query_view
from api.query_service import QUERY_ID_PATTERN, DescribedQuery
from api.responses import LOCATION, json_response, problems
from api.route import GatewayRoute
from api.routes.collections import ON_BODY, ON_ONE, CollectionId
from api.routes.jobs import EventIdHeader, EventIdQuery
from common.queries import QuerySpec

router = APIRouter(prefix="/v1/collections/{collection_id}/queries", tags=["queries"], route_class=GatewayRoute)

QueryId = Annotated[str, Path(description="Id of a query.", examples=["qry_" + "0" * 22])]
MEDIA_TYPES = {ExportFormat.CSV: "text/csv; charset=utf-8", ExportFormat.JSONL: "application/jsonl"}


@router.post(
    "",
    status_code=202,
    summary="Ask questions",
    response_model=QueryView,
    responses=ON_ONE | ON_BODY | {202: {"description": "The query.", "headers": {"Location": LOCATION}}},
)
async def create_query(call: Call, collection_id: CollectionId, creation: QueryCreation) -> Response:
    """Put every question to every document, or to the collection as a whole.

    A document that cannot be read gives a row for each question with its reason. Questions wait until all documents
    are read.
    """
    return _accepted(await call.queries.create(call.caller, collection_id, creation))


@router.get("", summary="List queries", response_model=QueryPage, responses=ON_ONE)
async def list_queries(
    call: Call,
    collection_id: CollectionId,
    limit: Annotated[int, Query(ge=1, le=100, description="Most queries on the page.")] = 20,
    after: Annotated[
        Annotated[str, Field(pattern=QUERY_ID_PATTERN)] | SkipJsonSchema[None], Query(description="Read on.")
    ] = None,
) -> Response:
    """Return a collection's queries, newest first."""
    found, has_more = await call.queries.page(call.caller, collection_id, after, limit)
    views = [query_view(described.run, described.counts) for described in found]
    return json_response(QueryPage(data=views, has_more=has_more, last_id=views[-1].id if views else None))


@router.get("/{query_id}", summary="Look at a query", response_model=QueryView, responses=ON_ONE)
async def get_query(call: Call, collection_id: CollectionId, query_id: QueryId) -> Response:
    """Return a query with counts of its rows."""
    return _view(await call.queries.get(call.caller, collection_id, query_id))


@router.get("/{query_id}/rows", summary="Read rows", response_model=RowPage, responses=ON_ONE)
async def list_rows(
    call: Call,
    collection_id: CollectionId,
    query_id: QueryId,
    after: Annotated[
        Annotated[int, Field(ge=0)] | SkipJsonSchema[None], Query(description="Read on behind this row.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Most rows on the page.")] = 100,
) -> Response:
    """Return rows as they stand now, in row order; a row without an answer yet is `pending`."""
    described = await call.queries.get(call.caller, collection_id, query_id)
    rows, has_more = await call.queries.rows(described, after, limit)
    return json_response(RowPage(data=rows, has_more=has_more, last_index=rows[-1].index if rows else None))


@router.get(
    "/{query_id}/export",
    summary="Download the table",
    response_class=StreamingResponse,
    responses=ON_ONE | {200: {"description": "The table.", "content": {"text/csv": {}, "application/jsonl": {}}}},
)
async def export_rows(
    call: Call,
    collection_id: CollectionId,
    query_id: QueryId,
    form: Annotated[ExportFormat, Query(alias="format", description="`csv` or `jsonl`.")] = ExportFormat.CSV,
    layout: Annotated[Layout, Query(description="One line an answer, or one a document.")] = Layout.ROWS,
) -> Response:
    """Return all rows as a table. In CSV, texts that a spreadsheet would take for formulas begin with an apostrophe."""
    described = await call.queries.get(call.caller, collection_id, query_id)
    rows = call.queries.all_rows(described)
    questions = QuerySpec.model_validate(described.run.spec).questions
    lines = row_lines(rows, form) if layout is Layout.ROWS else wide_lines(rows, questions, form)
    name = f'attachment; filename="{query_id}.{form}"'
    return StreamingResponse(lines, media_type=MEDIA_TYPES[form], headers={"Content-Disposition": name})


@router.get(
    "/{query_id}/events",
    summary="Follow a query",
    response_class=EventSourceResponse,
    responses=ON_ONE
    | problems("malformed_header", "too_many_streams")
    | {200: {"description": "Events: `document`, `row`, `progress`, and last one named like the final status."}},
)
async def follow_query(
    call: Call,
    collection_id: CollectionId,
    query_id: QueryId,
    last_event_id_header: EventIdHeader = None,
    last_event_id: EventIdQuery = None,
) -> Response:
    """Stream a query's rows as they are finished, from the first one or from where an earlier stream ended."""
    seen = read_event_id(last_event_id_header, LAST_EVENT_ID) or read_event_id(last_event_id, "last_event_id")
    return await call.gateway.query_streams.open(call.caller, collection_id, query_id, seen)


@router.post("/{query_id}/cancel", summary="Cancel a query", response_model=QueryView, responses=ON_ONE)
async def cancel_query(call: Call, collection_id: CollectionId, query_id: QueryId) -> Response:
    """End a query; finished rows stay, the others are cancelled."""
    return _view(await call.queries.cancel(call.caller, collection_id, query_id))


@router.post(
    "/{query_id}/retry",
    status_code=202,
    summary="Retry failed rows",
    response_model=QueryView,
    responses=ON_ONE | {202: {"description": "A new query over the failed rows.", "headers": {"Location": LOCATION}}},
)
async def retry_query(call: Call, collection_id: CollectionId, query_id: QueryId) -> Response:
    """Ask the failed rows of an ended query again, and no other; the old query stays as it is."""
    return _accepted(await call.queries.retry(call.caller, collection_id, query_id))


def _view(described: DescribedQuery) -> Response:
    return json_response(query_view(described.run, described.counts))


def _accepted(described: DescribedQuery) -> Response:
    view = query_view(described.run, described.counts)
    path = f"/v1/collections/{view.collection_id}/queries/{view.id}"
    return json_response(view, 202, {"Location": path})
