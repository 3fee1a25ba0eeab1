"""Traces from the request that submits a job to the engine that answers it."""

import sys

import fakeredis
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from api.app import create_app
from api.settings import ApiSettings
from common.errors import ConfigurationError
from common.jobs import Lane
from common.keys import Keys
from common.leases import ClaimedJob
from common.operations import claim
from common.store import AsyncJobStore, JobStore
from common.tracing import ENDPOINTS, configure_tracing
from worker.engine.base import FinishReason
from worker.engine.rows import RowOutcome
from worker.tracing import JobTracer

CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"
OUTCOME = RowOutcome(
    text="5",
    finish_reason=FinishReason.STOP,
    prompt_tokens=90,
    cached_prompt_tokens=64,
    completion_tokens=8,
    wait_ms=2.0,
    prefill_ms=120.0,
    decode_ms=350.0,
    batch_size_mean=3.5,
)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Tracing switched on, into memory."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


async def submitted(headers: dict[str, str]) -> tuple[ClaimedJob, str]:
    """Submit a job over HTTP and claim it; returns the claim and the job as its caller sees it."""
    server = fakeredis.FakeServer()
    store = AsyncJobStore(fakeredis.FakeAsyncRedis(server=server, decode_responses=True), Keys("test"))
    app = create_app(ApiSettings(engine="fake", key_prefix="test"), store, lambda _lane, _job_id: None)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
    ):
        answer = await client.post("/v1/jobs", json={"question": "What is EBITDA?"}, headers=headers)
        assert answer.status_code == 202, answer.text
        await client.get("/livez")
    with fakeredis.FakeRedis(server=server, decode_responses=True) as redis:
        claimed = JobStore(redis, Keys("test")).run(claim("w1", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    return claimed, answer.text


def by_name(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


async def test_one_trace_goes_from_the_request_to_the_engine(spans: InMemorySpanExporter) -> None:
    # Given a caller with a trace of its own, when its job is submitted and answered
    claimed, seen = await submitted({"traceparent": f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"})
    JobTracer("qwen").answered(claimed, OUTCOME)
    found = by_name(spans)
    # Then every span is of that trace, each below the one that caused it, and probes have none
    assert set(found) == {
        "POST /v1/jobs",
        "process jobs.interactive",
        "queue",
        "wait",
        "chat qwen",
        "prefill",
        "decode",
    }
    assert {f"{span.context.trace_id:032x}" for span in found.values()} == {CALLERS_TRACE}
    parents = {
        name: next(
            (other for other, o in found.items() if span.parent and o.context.span_id == span.parent.span_id), ""
        )
        for name, span in found.items()
    }
    assert parents == {
        "POST /v1/jobs": "",
        "process jobs.interactive": "POST /v1/jobs",
        "queue": "process jobs.interactive",
        "chat qwen": "process jobs.interactive",
        "wait": "process jobs.interactive",
        "prefill": "chat qwen",
        "decode": "chat qwen",
    }
    assert "traceparent" not in seen


async def test_spans_carry_what_the_conventions_name(spans: InMemorySpanExporter) -> None:
    claimed, _ = await submitted({})
    JobTracer("qwen").answered(claimed, OUTCOME)
    found = by_name(spans)
    chat = dict(found["chat qwen"].attributes or {})
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.request.model"] == "qwen"
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == (90, 8)
    assert chat["gen_ai.response.finish_reasons"] == ("stop",)
    request = dict(found["POST /v1/jobs"].attributes or {})
    assert (request["http.route"], request["http.response.status_code"]) == ("/v1/jobs", 202)
    # And nothing of the question
    assert not any("EBITDA" in str(span.attributes) for span in found.values())
    decode, prefill = found["decode"], found["prefill"]
    assert decode.start_time and decode.end_time and prefill.start_time  # noqa: PT018
    assert (decode.end_time - decode.start_time) / 1e6 == pytest.approx(350)
    assert (decode.start_time - prefill.start_time) / 1e6 == pytest.approx(120)
    wait = found["wait"]
    assert wait.start_time
    assert (prefill.start_time - wait.start_time) / 1e6 == pytest.approx(2)


async def test_a_failed_job_is_an_error_of_its_trace(spans: InMemorySpanExporter) -> None:
    claimed, _ = await submitted({})
    JobTracer("qwen").failed(claimed, "engine_error")
    span = by_name(spans)["process jobs.interactive"]
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes or {})["error.type"] == "engine_error"


async def test_without_tracing_nothing_is_carried() -> None:
    # Given tracing off, when a job is submitted and answered, then its record has no trace and no span is needed
    claimed, _ = await submitted({})
    assert claimed.job.traceparent is None
    JobTracer("qwen").answered(claimed, OUTCOME)


def test_an_endpoint_without_the_packages_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINTS[0], "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ConfigurationError, match=r"financellm\[otel\]"):
        configure_tracing("financellm-api")


def test_without_an_endpoint_nothing_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    before = trace.get_tracer_provider()
    configure_tracing("financellm-api")
    assert trace.get_tracer_provider() is before
