"""The one mapping from errors to HTTP answers: problem details (RFC 9457) with a stable code."""

import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from api.openai_errors import OpenAIError, openai_error
from api.problems import CODES_OF_STATUS, KINDS, OPENAI_KINDS, FieldFault, ProblemKind, problem_response
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

UNAVAILABLE_RETRY_S = 2
MAX_FAULTS = 20
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = get_logger(__name__)


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
    """Let every error of a route end in this mapping."""
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
