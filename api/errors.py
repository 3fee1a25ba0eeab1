"""The one mapping from errors to HTTP answers: problem details (RFC 9457) with a stable code."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.openai_errors import OpenAIError, openai_error
from api.unanswered import UnansweredError
from common.errors import (
    FinanceLLMError,
    ModelFilesError,
    QueueFullError,
    RequestError,
    UnauthorizedError,
    UnavailableError,
)
from common.telemetry import get_logger
from common.wire import faults_in_words

PROBLEM_MEDIA_TYPE = "application/problem+json"
UNAVAILABLE_RETRY_S = 2
MAX_FAULTS = 20
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = get_logger(__name__)


class MalformedBodyError(RequestError):
    """The body is not JSON as RFC 8259 defines it."""

    code = "malformed_body"


class MalformedHeaderError(RequestError):
    """A header that this route reads does not follow its grammar."""

    code = "malformed_header"


class UnsupportedMediaTypeError(RequestError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"


class BodyTimeoutError(RequestError):
    """The body did not arrive in time."""

    code = "body_timeout"


class HeadersTooLargeError(RequestError):
    """The request's headers pass the limit."""

    code = "headers_too_large"


class WrongHostError(RequestError):
    """The Host header names a service this is not."""

    code = "wrong_host"


class ProblemKind(NamedTuple):
    """How a code is answered."""

    status: int
    title: str


KINDS: Mapping[str, ProblemKind] = {
    "malformed_body": ProblemKind(400, "The body is not valid JSON"),
    "malformed_header": ProblemKind(400, "A header cannot be read"),
    "unauthorized": ProblemKind(401, "A valid API key is needed"),
    "not_found": ProblemKind(404, "There is no such object"),
    "model_not_found": ProblemKind(404, "There is no such model"),
    "method_not_allowed": ProblemKind(405, "This address does not take this method"),
    "body_timeout": ProblemKind(408, "The body took too long to arrive"),
    "file_in_use": ProblemKind(409, "The file is in use"),
    "job_cancelled": ProblemKind(409, "The job was cancelled"),
    "body_too_large": ProblemKind(413, "The body is too large or too deep"),
    "unsupported_media_type": ProblemKind(415, "The body must be JSON"),
    "wrong_host": ProblemKind(421, "This host name is not served here"),
    "invalid_request": ProblemKind(422, "The request is not valid"),
    "prompt_too_long": ProblemKind(422, "The prompt is too long"),
    "unsupported_parameter": ProblemKind(422, "A parameter is not supported"),
    "webhook_target_refused": ProblemKind(422, "The webhook address is not allowed"),
    "idempotency_key_reused": ProblemKind(422, "The Idempotency-Key belongs to another request"),
    "queue_full": ProblemKind(429, "The queue is full"),
    "rate_limited": ProblemKind(429, "Too many requests"),
    "too_many_jobs": ProblemKind(429, "Too many jobs have not ended"),
    "too_many_streams": ProblemKind(429, "Too many event streams are open"),
    "headers_too_large": ProblemKind(431, "The headers are too large"),
    "internal_error": ProblemKind(500, "Something went wrong here"),
    "job_failed": ProblemKind(500, "The job failed"),
    "model_files_error": ProblemKind(503, "No model is prepared"),
    "unavailable": ProblemKind(503, "A part of the service is away"),
    "wait_over": ProblemKind(504, "The answer takes longer"),
}
# OpenAI answers 400 to what cannot be served as sent, and its clients raise by status.
OPENAI_KINDS: Mapping[str, ProblemKind] = {
    code: kind._replace(status=400) if kind.status == 422 else kind for code, kind in KINDS.items()
}
CODES_OF_STATUS: Mapping[int, str] = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class FieldFault(BaseModel):
    """One field at fault and why."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    field: str = Field(description="Path of the field in the body, or the name of the parameter or header.")
    reason: str


class Problem(BaseModel):
    """Problem details as RFC 9457 defines them, with a stable `code` for programs."""

    type: str = Field(description="A URN made of the code.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status, again.")
    detail: str = Field(description="What was wrong, which value, and what to do.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Stable name of the kind of problem.")
    errors: list[FieldFault] = Field(default=[], description="The fields at fault, if any are.")
    error: OpenAIError


def problem_response(
    path: str,
    code: str,
    detail: str,
    faults: Sequence[FieldFault] = (),
    headers: Mapping[str, str] | None = None,
    kind: ProblemKind | None = None,
) -> Response:
    """Build the answer for a code; `kind` is needed only for codes outside the table."""
    status, title = kind or KINDS.get(code) or KINDS["internal_error"]
    problem = Problem(
        type=f"urn:financellm:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=path,
        code=code,
        errors=list(faults),
        error=openai_error(status, code, _message(detail, faults), faults[0].field if faults else None),
    )
    return Response(problem.model_dump_json(), status, headers, PROBLEM_MEDIA_TYPE)


def response_for(path: str, error: FinanceLLMError, kinds: Mapping[str, ProblemKind] = KINDS) -> Response:
    """Build the answer for one of our own errors."""
    field = error.field if isinstance(error, RequestError) else None
    faults = [] if field is None else [FieldFault(field=field, reason=error.message)]
    code = _public_code(error)
    return problem_response(path, code, _public_detail(error), faults, _headers(error), kinds[code])


def openai_error_of(error: FinanceLLMError) -> OpenAIError:
    """Return one of our own errors as OpenAI's clients read it, for answers that have begun."""
    code = _public_code(error)
    return openai_error(OPENAI_KINDS[code].status, code, _public_detail(error), None)


def internal_error_response(path: str) -> Response:
    """Build the answer for an error nobody expected; it says nothing about the inside."""
    return problem_response(
        path, "internal_error", "The request could not be served. The error was logged under the X-Request-ID."
    )


def install_error_handlers(app: FastAPI) -> None:
    """Let every error of a route end in the mapping above."""
    app.exception_handler(FinanceLLMError)(_on_own_error)
    app.exception_handler(RequestValidationError)(_on_validation_error)
    app.exception_handler(HTTPException)(_on_http_error)


async def _on_own_error(request: Request, error: FinanceLLMError) -> Response:
    if _public_code(error) != error.code or not isinstance(error, RequestError | QueueFullError | UnauthorizedError):
        log.warning("request_failed", code=error.code, reason=error.message)
    return response_for(request.url.path, error, _kinds(request))


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    faults = [FieldFault(field=field, reason=reason) for field, reason in faults_in_words(found[:MAX_FAULTS])]
    detail = f"{faults[0].field}: {faults[0].reason}" if len(found) == 1 else f"{len(found)} fields are not valid."
    kind = _kinds(request)["invalid_request"]
    return problem_response(request.url.path, "invalid_request", detail, faults, kind=kind)


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    path = request.url.path
    code = CODES_OF_STATUS.get(error.status_code)
    if code == "not_found":
        return problem_response(path, code, "Nothing is served at this address. See /docs for what is.")
    if code == "method_not_allowed":
        allowed = ", ".join(_allowed_methods(request))
        detail = f"{request.method[:16]} is not possible here; allowed: {allowed}."
        return problem_response(path, code, detail, headers={"Allow": allowed})
    phrase = HTTPStatus(error.status_code).phrase
    kind = KINDS[code] if code else ProblemKind(error.status_code, phrase)
    return problem_response(path, code or phrase.lower().replace(" ", "_"), phrase, (), error.headers, kind)


def _kinds(request: Request) -> Mapping[str, ProblemKind]:
    """Return the table of the route that refused; routes note it before they read anything."""
    kinds: Mapping[str, ProblemKind] = getattr(request.state, "problem_kinds", KINDS)
    return kinds


def _message(detail: str, faults: Sequence[FieldFault]) -> str:
    """Return the detail, with the faults where it only counts them."""
    if len(faults) < 2:
        return detail
    return " ".join([detail, *(f"{fault.field}: {fault.reason}" for fault in faults)])


def _allowed_methods(request: Request) -> list[str]:
    # The framework names the methods of the first route at the path only.
    return [method for method in METHODS if _is_served(request, method)]


def _is_served(request: Request, method: str) -> bool:
    scope = dict(request.scope) | {"method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes)


def _public_code(error: FinanceLLMError) -> str:
    return error.code if error.code in KINDS else "internal_error"


def _public_detail(error: FinanceLLMError) -> str:
    if isinstance(error, UnavailableError):
        return "A part this service depends on does not answer. Try again in a few seconds."
    if isinstance(error, ModelFilesError):
        return "The service has no prepared model yet. Its operator must run `financellm model prepare`."
    if _public_code(error) == "internal_error":
        return "The request could not be served. The error was logged under the X-Request-ID."
    return error.message


def _headers(error: FinanceLLMError) -> dict[str, str]:
    match error:
        case QueueFullError():
            return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
        case UnavailableError() | ModelFilesError():
            return {"Retry-After": str(UNAVAILABLE_RETRY_S)}
        case UnauthorizedError():
            return {"WWW-Authenticate": 'Bearer realm="financellm"'}
        case UnansweredError():
            # OpenAI's clients ask again at such a status unless told not to; the work would be done twice.
            return {"X-Should-Retry": "false"}
    # What is left of a refused body is not read, so the connection cannot serve another request.
    return {"Connection": "close"} if error.code in {"body_too_large", "body_timeout"} else {}
