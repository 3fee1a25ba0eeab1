"""Problem details (RFC 9457): the kinds by their stable codes, their shape, and the answer made of one."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from api.openai_errors import OpenAIError, openai_error

PROBLEM_MEDIA_TYPE = "application/problem+json"


class ProblemKind(NamedTuple):
    """How a code is answered."""

    status: int
    title: str


KINDS: Mapping[str, ProblemKind] = {
    "malformed_body": ProblemKind(400, "The body is not valid JSON"),
    "malformed_header": ProblemKind(400, "A header cannot be read"),
    "unauthorized": ProblemKind(401, "A valid API key is needed"),
    "cross_site_request": ProblemKind(403, "Web pages of other origins may change nothing here"),
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


def _message(detail: str, faults: Sequence[FieldFault]) -> str:
    """Return the detail, with the faults where it only counts them."""
    if len(faults) < 2:
        return detail
    return " ".join([detail, *(f"{fault.field}: {fault.reason}" for fault in faults)])
