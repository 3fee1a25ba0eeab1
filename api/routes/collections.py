"""Collections: create, fill with reports, look, read a page, delete."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from api.collection_schemas import (
    CollectionCreation,
    CollectionPage,
    CollectionView,
    Deleted,
    DocumentPage,
    DocumentView,
    PageView,
    collection_view,
    document_view,
    page_view,
)
from api.collection_service import COLLECTION_ID_PATTERN, DOCUMENT_ID_PATTERN
from api.deps import Call
from api.responses import LOCATION, json_response, problems
from api.route import GatewayRoute

EVERYWHERE = problems("unauthorized", "wrong_host", "invalid_request", "headers_too_large", "unavailable")
ON_ONE = EVERYWHERE | problems("not_found")
ON_BODY = problems("malformed_body", "body_timeout", "body_too_large", "unsupported_media_type")

router = APIRouter(prefix="/v1/collections", tags=["collections"], route_class=GatewayRoute)

CollectionId = Annotated[str, Path(description="Id of a collection.", examples=["col_" + "0" * 28])]
DocumentId = Annotated[str, Path(description="Id of a document.", examples=["doc_" + "0" * 28])]
Limit = Annotated[int, Query(ge=1, le=1_000, description="Most entries on the page.")]

UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    summary="Create a collection",
    response_model=CollectionView,
    responses=EVERYWHERE | ON_BODY | {201: {"description": "The collection.", "headers": {"Location": LOCATION}}},
)
async def create_collection(call: Call, creation: CollectionCreation) -> Response:
    """Create an empty collection of reports."""
    collection = await call.collections.create(call.caller, creation.name)
    return json_response(collection_view(collection), 201, {"Location": f"/v1/collections/{collection.id}"})


@router.get("", summary="List collections", response_model=CollectionPage, responses=EVERYWHERE)
async def list_collections(
    call: Call,
    limit: Limit = 20,
    after: Annotated[
        Annotated[str, Field(pattern=COLLECTION_ID_PATTERN)] | SkipJsonSchema[None], Query(description="Read on.")
    ] = None,
) -> Response:
    """Return your collections, newest first."""
    found, has_more = await call.collections.page(call.caller, after, limit)
    views = [collection_view(collection) for collection in found]
    return json_response(CollectionPage(data=views, has_more=has_more, last_id=found[-1].id if found else None))


@router.get("/{collection_id}", summary="Look at a collection", response_model=CollectionView, responses=ON_ONE)
async def get_collection(call: Call, collection_id: CollectionId) -> Response:
    """Return a collection with counts of its documents."""
    return json_response(collection_view(await call.collections.get(call.caller, collection_id)))


@router.delete("/{collection_id}", summary="Delete a collection", response_model=Deleted, responses=ON_ONE)
async def delete_collection(call: Call, collection_id: CollectionId) -> Response:
    """Delete a collection with its documents, and the files that no other collection lists."""
    await call.collections.delete(call.caller, collection_id)
    return json_response(Deleted(id=collection_id, object="collection"))


@router.post(
    "/{collection_id}/documents",
    status_code=202,
    summary="Add reports",
    response_model=DocumentPage,
    responses=ON_ONE | ON_BODY | {202: {"description": "The documents; workers read them."}},
    openapi_extra=UPLOAD,
)
async def add_documents(request: Request, call: Call, collection_id: CollectionId) -> Response:
    """Add PDF, HTML, text or Markdown files, each a `file` of a form; zip archives are unpacked.

    A file that cannot be read is listed as failed with its reason, and the others are not affected. The same file under
    the same name is there once, however often it is sent; where it could not be read, it is read again.
    """
    added = await call.collections.add(call.caller, collection_id, request)
    views = [document_view(document) for document in added]
    return json_response(DocumentPage(data=views, has_more=False, last_id=views[-1].id), 202)


@router.get("/{collection_id}/documents", summary="List documents", response_model=DocumentPage, responses=ON_ONE)
async def list_documents(
    call: Call,
    collection_id: CollectionId,
    limit: Limit = 100,
    after: Annotated[
        Annotated[str, Field(pattern=DOCUMENT_ID_PATTERN)] | SkipJsonSchema[None], Query(description="Read on.")
    ] = None,
) -> Response:
    """Return a collection's documents in the order they were added."""
    found, has_more = await call.collections.documents(call.caller, collection_id, after, limit)
    views = [document_view(document) for document in found]
    return json_response(DocumentPage(data=views, has_more=has_more, last_id=found[-1].id if found else None))


@router.get(
    "/{collection_id}/documents/{document_id}",
    summary="Look at a document",
    response_model=DocumentView,
    responses=ON_ONE,
)
async def get_document(call: Call, collection_id: CollectionId, document_id: DocumentId) -> Response:
    """Return a document: its status, what was read of it, or why it cannot be read."""
    return json_response(document_view(await call.collections.document(call.caller, collection_id, document_id)))


@router.delete(
    "/{collection_id}/documents/{document_id}",
    summary="Delete a document",
    response_model=Deleted,
    responses=ON_ONE,
)
async def delete_document(call: Call, collection_id: CollectionId, document_id: DocumentId) -> Response:
    """Delete a document, and its file if no other collection lists it."""
    await call.collections.delete_document(call.caller, collection_id, document_id)
    return json_response(Deleted(id=document_id, object="document"))


@router.get(
    "/{collection_id}/documents/{document_id}/pages/{number}",
    summary="Read a page",
    response_model=PageView,
    responses=ON_ONE,
)
async def get_page(
    call: Call,
    collection_id: CollectionId,
    document_id: DocumentId,
    number: Annotated[int, Path(ge=1, description="Pages count from one.")],
) -> Response:
    """Return the text of a page, in which citations of this document stand word for word."""
    document, page = await call.collections.document_page(call.caller, collection_id, document_id, number)
    return json_response(page_view(document, page))
