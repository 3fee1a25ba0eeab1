"""How this gateway's routes read requests: caller first, then parameters, then the body under limits."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.deps import authenticated_caller, get_gateway
from api.json_body import check_content_type, parse_json, read_body
from api.problems import KINDS, OPENAI_KINDS, ProblemKind
from api.responses import with_cross_site, with_rate_limit
from common.errors import RequestError

# Under this name the API's description explains keys; routes check them themselves, before anything is read.
SECURITY_SCHEME = "api_key"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class ParsedRequest(Request):
    """A request whose body was read and parsed already."""

    def __init__(self, request: Request, raw: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._stream_consumed = True
        self._raw = raw
        self._value = value

    async def body(self) -> bytes:
        """Return the bytes that were read."""
        return self._raw

    async def json(self) -> Any:
        """Return the value that was parsed."""
        return self._value


class GatewayRoute(APIRoute):
    """A route for known callers that refuses unknown query parameters and reads bodies strictly."""

    kinds: ClassVar[Mapping[str, ProblemKind]] = KINDS

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        described = with_cross_site(options.get("responses") or {}, options["methods"])
        options["responses"] = with_rate_limit(described)
        options["openapi_extra"] = {"security": [{SECURITY_SCHEME: []}]} | (options.get("openapi_extra") or {})
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Return the handler with the checks in front."""
        answer = super().get_route_handler()
        known = frozenset(field.alias for field in self.dependant.query_params)
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            request.state.problem_kinds = self.kinds
            await _count(request, authenticated_caller(request))
            _check_parameters(request, known)
            return await answer(await _parsed(request) if takes_body else request)

        return handle


class OpenAIRoute(GatewayRoute):
    """A route of the OpenAI surface: what cannot be served as sent is answered 400, as its clients expect."""

    kinds = OPENAI_KINDS


async def _count(request: Request, caller: str) -> None:
    admitted = await get_gateway(request).limiter.admit(caller)
    # The frame around all requests adds them, so that refusals of any kind have them too.
    request.state.rate_headers = admitted.headers
    if admitted.refusal is not None:
        raise admitted.refusal


async def _parsed(request: Request) -> ParsedRequest:
    settings = get_gateway(request).settings
    check_content_type(request.headers.get("content-type"))
    raw = await read_body(request, settings.max_body_bytes, settings.body_timeout_s)
    return ParsedRequest(request, raw, parse_json(raw, settings.max_json_depth))


def _check_parameters(request: Request, known: frozenset[str]) -> None:
    for name in request.query_params:
        if name not in known:
            offered = ", ".join(sorted(known)) or "none"
            raise RequestError(f"There is no parameter {name[:64]!r} here; known parameters: {offered}.", name[:64])
