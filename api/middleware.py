"""Around every request: its id, checks before any route, security headers, access log, metrics, and the last resort."""

import random
import re
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from api.cross_site import check_sender
from api.errors import METHODS, internal_error_response, response_for
from api.request_errors import HeadersTooLargeError, WrongHostError
from api.request_span import describe_span, request_span
from common.errors import RequestError
from common.telemetry import GatewayMetrics, get_logger

REQUEST_ID = "X-Request-ID"
MAX_HEADER_BYTES = 32_768
MAX_HEADERS = 100
UNMATCHED = "unmatched"
METRICS_PATH = "/metrics"
# Asked for by machines every few seconds; not worth a line each.
QUIET_ROUTES = frozenset({"/livez", "/readyz", METRICS_PATH})

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}

log = get_logger(__name__)


class RequestFrame:
    """The outermost middleware; nothing raised inside passes it."""

    def __init__(
        self, app: ASGIApp, metrics: GatewayMetrics, allowed_hosts: frozenset[str] | None, has_keys: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._allowed_hosts = allowed_hosts
        self._has_keys = has_keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get(REQUEST_ID))
        framed = _FramedSend(send, request_id, scope)
        started_s = time.perf_counter()
        with bound_contextvars(request_id=request_id), request_span(scope, scope["path"] in QUIET_ROUTES) as span:
            try:
                await self._answer(scope, receive, framed)
            finally:
                self._record(scope, framed.status, time.perf_counter() - started_s)
                describe_span(span, _method(scope), _template(scope), framed.status)

    async def _answer(self, scope: Scope, receive: Receive, send: "_FramedSend") -> None:
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if send.status is not None:
                # Too late for an answer: the server sees the response unfinished and closes the connection.
                log.warning("response_broken_off", reason=repr(error))
                return
            log.exception("request_crashed")
            await internal_error_response(scope["path"])(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        try:
            self._check(scope)
        except RequestError as error:
            return response_for(scope["path"], error)
        return None

    def _check(self, scope: Scope) -> None:
        fields = scope["headers"]
        if len(fields) > MAX_HEADERS or sum(len(name) + len(value) for name, value in fields) > MAX_HEADER_BYTES:
            limit = f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes in all are read"
            raise HeadersTooLargeError(f"The headers are too large; {limit}.")
        if not self._is_allowed_host(scope):
            advice = "Ask for it as localhost, or name its hosts in FINANCELLM_API_ALLOWED_HOSTS"
            raise WrongHostError(f"This host name is not served here. {advice}.", "Host")
        # A page of another origin has no key to send.
        if not self._has_keys:
            check_sender(scope["method"], Headers(scope=scope))

    def _is_allowed_host(self, scope: Scope) -> bool:
        if self._allowed_hosts is None:
            return True
        # Prometheus finds gateways by DNS and asks for their addresses, which nobody can list.
        if self._has_keys and scope["path"] == METRICS_PATH:
            return True
        return _host_name(Headers(scope=scope)) in self._allowed_hosts

    def _record(self, scope: Scope, status: int | None, seconds: float) -> None:
        route = _template(scope)
        method = _method(scope)
        self._metrics.requests.labels(method, route, status or "none").inc()
        self._metrics.request_seconds.labels(method, route).observe(seconds)
        if route not in QUIET_ROUTES:
            client = scope["client"][0] if scope.get("client") else None
            duration_ms = round(seconds * 1000, 2)
            log.info("request", method=method, route=route, status=status, client=client, duration_ms=duration_ms)


class _FramedSend:
    """Adds headers to the response and remembers its status."""

    def __init__(self, send: Send, request_id: str, scope: Scope) -> None:
        self._send = send
        self._request_id = request_id
        self._scope = scope
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._add_headers(message)
        await self._send(message)

    def _add_headers(self, message: MutableMapping[str, Any]) -> None:
        headers = MutableHeaders(scope=message)
        headers[REQUEST_ID] = self._request_id
        headers.update(self._scope.get("state", {}).get("rate_headers", {}))
        for name, value in _SECURITY_HEADERS.items():
            headers.setdefault(name, value)


def _request_id(given: str | None) -> str:
    if given is not None and _REQUEST_ID.match(given):
        return given
    # Not a secret, so no system call for each.
    return f"{random.getrandbits(64):016x}"


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "OTHER"


def _template(scope: Scope) -> str:
    """Return the route's path with its parameters by name, so that metrics stay few."""
    if "endpoint" not in scope:
        return UNMATCHED
    return str(getattr(scope.get("route"), "path", scope["path"]))


def _host_name(headers: Headers) -> str:
    host = headers.get("host", "").lower()
    return host if host.endswith("]") else re.sub(r":\d{1,5}$", "", host)
