"""A span around each HTTP request, by OpenTelemetry's conventions for HTTP servers."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from starlette.datastructures import Headers
from starlette.types import Scope

from common.tracing import TRACEPARENT, context_of, tracer


@contextmanager
def request_span(scope: Scope, is_quiet: bool) -> Iterator[Span]:
    """Make a span current that goes on from the caller's traceparent; quiet requests get none."""
    if is_quiet:
        yield INVALID_SPAN
        return
    parent = context_of(Headers(scope=scope).get(TRACEPARENT))
    with tracer().start_as_current_span("HTTP request", parent, SpanKind.SERVER) as span:
        yield span


def describe_span(span: Span, method: str, route: str, status: int | None) -> None:
    """Name the span by its route, which is known only when the request was served."""
    if not span.is_recording():
        return
    span.update_name(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    if status is not None:
        span.set_attribute("http.response.status_code", status)
    if status is None or status >= 500:
        span.set_status(Status(StatusCode.ERROR))
