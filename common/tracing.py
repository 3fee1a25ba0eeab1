"""Traces by OpenTelemetry: off until an endpoint is configured; needs the extra `otel` then."""

import os
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from common.errors import ConfigurationError

# The standard variables of OpenTelemetry; either turns tracing on.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TRACEPARENT = "traceparent"
_FORMAT = TraceContextTextMapPropagator()


def configure_tracing(service_name: str) -> None:
    """Send this process's spans to the endpoint in the environment, if there is one.

    Raises ConfigurationError if there is one and the packages that send are missing.
    """
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigurationError(
            f"{' or '.join(ENDPOINTS)} is set, but traces cannot be sent: {error}. Run `pip install financellm[otel]`, "
            "or unset it."
        ) from error
    names = {"service.name": service_name, "service.version": version("financellm")}
    provider = TracerProvider(resource=Resource.create(names))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def flush_tracing() -> None:
    """Send what is not sent yet, for processes that end without the interpreter's exit handlers."""
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        flush()


def tracer() -> Tracer:
    """Return the tracer, whose spans cost next to nothing while tracing is off."""
    return trace.get_tracer("financellm")


def current_traceparent() -> str | None:
    """Return the current span as a W3C traceparent, None if there is none worth continuing."""
    carrier: dict[str, str] = {}
    _FORMAT.inject(carrier)
    return carrier.get(TRACEPARENT)


def context_of(traceparent: str | None) -> Context:
    """Return the context that a traceparent stands for; without a valid one, that of a new trace."""
    return _FORMAT.extract({TRACEPARENT: traceparent} if traceparent else {}, Context())
