"""What routes answer, for the API's description and for the wire."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from api.capacity import retry_after_s
from api.cross_site import SAFE_METHODS
from api.job_views import job_path, job_view
from api.problems import KINDS, OPENAI_KINDS, PROBLEM_MEDIA_TYPE, Problem, ProblemKind
from common.operations import DescribedJob

RETRY_AFTER = {"description": "Seconds after which to ask again.", "schema": {"type": "integer", "minimum": 1}}
LOCATION = {"description": "Path of the job.", "schema": {"type": "string"}}
FRAMEWORK_ERROR_SCHEMA = {"$ref": "#/components/schemas/HTTPValidationError"}
PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}

Documented = dict[int | str, dict[str, Any]]


def problems(*codes: str) -> Documented:
    """Describe the answers with these codes, one entry a status."""
    return _described(codes, KINDS)


def openai_problems(*codes: str) -> Documented:
    """Describe the answers of a route of the OpenAI surface with these codes, one entry a status."""
    return _described(codes, OPENAI_KINDS)


def with_rate_limit(responses: Documented) -> Documented:
    """Return described answers with that of a caller who makes too many requests."""
    limited = problems("rate_limited")[429]
    known = responses.get(429, {"description": ""})["description"]
    if limited["description"] in known:
        return responses
    return responses | {429: limited | {"description": f"{known}\n\n{limited['description']}".strip()}}


def with_cross_site(responses: Documented, methods: Collection[str]) -> Documented:
    """Return described answers with that of another origin's page, where the methods may change something."""
    return responses if SAFE_METHODS.issuperset(methods) else responses | problems("cross_site_request")


def _described(codes: Sequence[str], kinds: Mapping[str, ProblemKind]) -> Documented:
    described: Documented = {}
    for code in codes:
        status, title = kinds[code]
        entry = described.setdefault(status, {"model": Problem, "description": ""})
        entry["description"] = f"{entry['description']}\n\n`{code}`: {title}.".strip()
        if status in {429, 503}:
            entry["headers"] = {"Retry-After": RETRY_AFTER}
    return described


def use_problem_media_type(description: dict[str, Any]) -> None:
    """Give the described problems of an OpenAPI document their own media type."""
    for operation in _operations(description):
        for response in operation["responses"].values():
            content = response.get("content", {})
            if content.get("application/json", {}).get("schema") == PROBLEM_SCHEMA:
                response["content"] = {PROBLEM_MEDIA_TYPE: content["application/json"]}


def drop_framework_errors(description: dict[str, Any]) -> None:
    """Leave out the answer that the framework describes for routes without a 422; ours never give it."""
    for operation in _operations(description):
        content = operation["responses"].get("422", {}).get("content", {})
        if content.get("application/json", {}).get("schema") == FRAMEWORK_ERROR_SCHEMA:
            del operation["responses"]["422"]
    for name in ("HTTPValidationError", "ValidationError"):
        description["components"]["schemas"].pop(name, None)


def drop_security(description: dict[str, Any]) -> None:
    """Leave keys out of an OpenAPI document, for a service that needs none."""
    for operation in _operations(description):
        operation.pop("security", None)


def _operations(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from path.values()


def json_response(value: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a value as JSON; written by pydantic at once, which is quicker than through plain types."""
    return Response(value.model_dump_json(), status, headers, "application/json")


def job_response(described: DescribedJob, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a job; one that has not ended comes with the time after which to ask again."""
    fields = dict(headers or {})
    if not described.job.status.is_terminal:
        fields["Retry-After"] = str(retry_after_s(described.place.eta_s if described.place else None))
    if status == 202:
        fields["Location"] = job_path(described.job.id)
    return json_response(job_view(described.job, described.place), status, fields)
