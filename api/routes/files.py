"""Files: upload, list, look, read, delete."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from api.deps import Call
from api.file_schemas import DeletedFile, FilePage, FileView, file_view
from api.responses import json_response, openai_problems
from api.route import OpenAIRoute
from common.stored_files import FILE_ID_PATTERN

EVERYWHERE = openai_problems("unauthorized", "wrong_host", "invalid_request", "headers_too_large", "unavailable")
ON_A_FILE = EVERYWHERE | openai_problems("not_found")
ON_UPLOAD = EVERYWHERE | openai_problems(
    "malformed_body", "body_timeout", "body_too_large", "unsupported_media_type", "invalid_request"
)
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": ["batch"]},
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2592000},
                    },
                    "dependentRequired": {
                        "expires_after[anchor]": ["expires_after[seconds]"],
                        "expires_after[seconds]": ["expires_after[anchor]"],
                    },
                    "additionalProperties": False,
                }
            }
        },
    }
}

router = APIRouter(prefix="/v1/files", tags=["files"], route_class=OpenAIRoute)

FileId = Annotated[str, Path(description="Id of a file, as the upload answered it.", examples=["file-" + "0" * 28])]


@router.post("", summary="Upload a file", response_model=FileView, responses=ON_UPLOAD, openapi_extra=FORM)
async def upload_file(request: Request, call: Call) -> Response:
    """Store the input of a batch; it is streamed to where files are kept and seen whole or not at all."""
    return json_response(file_view(await call.gateway.files.upload(call.caller, request)))


@router.get("", summary="List files", response_model=FilePage, responses=EVERYWHERE)
async def list_files(
    call: Call,
    purpose: Annotated[
        Literal["batch", "batch_output"] | SkipJsonSchema[None], Query(description="Only files of this purpose.")
    ] = None,
    after: Annotated[
        Annotated[str, Field(pattern=FILE_ID_PATTERN)] | SkipJsonSchema[None],
        Query(description="Read on after this file: `last_id` of the page before."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most files on the page.")] = 100,
    order: Annotated[Literal["asc", "desc"], Query(description="By creation.")] = "desc",
) -> Response:
    """Return your files, newest first where nothing else is asked for."""
    files, has_more = await call.gateway.files.page(call.caller, purpose, after, limit, order)
    views = [file_view(file) for file in files]
    first, last = (views[0].id, views[-1].id) if views else (None, None)
    return json_response(FilePage(data=views, first_id=first, last_id=last, has_more=has_more))


@router.get("/{file_id}", summary="Look at a file", response_model=FileView, responses=ON_A_FILE)
async def get_file(call: Call, file_id: FileId) -> Response:
    """Return what is known of a file."""
    return json_response(file_view(await call.gateway.files.get(call.caller, file_id)))


@router.get(
    "/{file_id}/content",
    summary="Read a file",
    response_class=StreamingResponse,
    responses=ON_A_FILE
    | {
        200: {
            "description": "The file's bytes.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def read_file(call: Call, file_id: FileId) -> Response:
    """Stream the bytes of a file."""
    file, chunks = await call.gateway.files.content(call.caller, file_id)
    return StreamingResponse(chunks, media_type="application/octet-stream", headers={"Content-Length": str(file.bytes)})


@router.delete(
    "/{file_id}",
    summary="Delete a file",
    response_model=DeletedFile,
    responses=ON_A_FILE | openai_problems("file_in_use"),
)
async def delete_file(call: Call, file_id: FileId) -> Response:
    """Remove a file for good; one that a batch still reads is refused."""
    await call.gateway.files.delete(call.caller, file_id)
    return json_response(DeletedFile(id=file_id))
