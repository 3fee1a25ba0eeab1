"""POST /v1/chat/completions, as OpenAI clients call it."""

from fastapi import APIRouter, Request, Response

from api.deps import Call
from api.headers import read_idempotency_key
from api.responses import json_response, openai_problems
from api.route import OpenAIRoute
from api.routes.jobs import IdempotencyKey
from common.completions import ChatCompletion
from common.protocol import ChatCompletionRequest

router = APIRouter(prefix="/v1/chat", tags=["openai"], route_class=OpenAIRoute)

CHUNK_SCHEMA = {
    "type": "string",
    "description": "`data: ` lines with a `chat.completion.chunk` each: the role, pieces of the answer, why it ended, "
    "with `include_usage` one of usage; then `data: [DONE]`. What fails after the beginning comes as "
    '`data: {"error": …}`.',
}


@router.post(
    "/completions",
    response_model=ChatCompletion,
    summary="Complete a chat",
    responses=openai_problems(
        "unauthorized",
        "wrong_host",
        "headers_too_large",
        "malformed_body",
        "malformed_header",
        "body_timeout",
        "body_too_large",
        "unsupported_media_type",
        "invalid_request",
        "unsupported_parameter",
        "model_not_found",
        "prompt_too_long",
        "idempotency_key_reused",
        "queue_full",
        "too_many_jobs",
        "too_many_streams",
        "job_cancelled",
        "job_failed",
        "model_files_error",
        "unavailable",
        "wait_over",
    )
    | {
        200: {
            "model": ChatCompletion,
            "description": "The answer, or with `stream` its events.",
            "content": {"text/event-stream": {"schema": CHUNK_SCHEMA}},
        }
    },
)
async def create_chat_completion(
    request: Request, call: Call, chat: ChatCompletionRequest, idempotency_key: IdempotencyKey = None
) -> Response:
    """Answer a chat as a job of the interactive lane, whose id is told under `financellm`.

    The job is cancelled when its client leaves, unless an `Idempotency-Key` lets the client ask for it again.
    """
    key = read_idempotency_key(idempotency_key)
    if chat.is_stream:
        return await call.gateway.chat_streams.open(call.caller, chat, key)
    return json_response(await call.gateway.chats.complete(call.caller, chat, key, request.is_disconnected))
