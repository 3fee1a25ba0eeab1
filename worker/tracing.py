"""Spans of a job, written when it has ended: how long it waited, and what the engine did for it.

They continue the trace of the request that submitted it. Names and attributes follow OpenTelemetry's conventions for
messaging and for generative AI; the text of questions and answers is not among them. Waiting is by Redis' clock, the
engine's part by this machine's.
"""

import time
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from common.leases import ClaimedJob
from common.queue import queue_name
from common.tracing import context_of, tracer
from worker.engine.rows import RowOutcome

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class JobTracer:
    """Writes spans for jobs answered by one model."""

    model: str

    def answered(self, claim: ClaimedJob, outcome: RowOutcome) -> None:
        """Write the spans of an answered job."""
        job_span = _start_job(claim)
        if job_span.is_recording():
            self._write_engine(claim, outcome, job_span)
        job_span.end()

    def failed(self, claim: ClaimedJob, code: str) -> None:
        """Write the span of a job that ended with an error."""
        job_span = _start_job(claim)
        job_span.set_attribute("error.type", code)
        job_span.set_status(Status(StatusCode.ERROR))
        job_span.end()

    def _write_engine(self, claim: ClaimedJob, outcome: RowOutcome, job_span: Span) -> None:
        end_ns = time.time_ns()
        first_token_ns = end_ns - int(outcome.decode_ms * NS_PER_MS)
        admitted_ns = first_token_ns - int(outcome.prefill_ms * NS_PER_MS)
        chat = tracer().start_span(
            f"chat {self.model}",
            set_span_in_context(job_span),
            SpanKind.INTERNAL,
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "financellm",
                "gen_ai.request.model": self.model,
                "gen_ai.request.max_tokens": claim.job.request.max_tokens,
                "gen_ai.response.finish_reasons": [outcome.finish_reason.value],
                "gen_ai.usage.input_tokens": outcome.prompt_tokens,
                "gen_ai.usage.output_tokens": outcome.completion_tokens,
                "financellm.cached_prompt_tokens": outcome.cached_prompt_tokens,
                "financellm.batch_size_mean": outcome.batch_size_mean,
            },
            start_time=admitted_ns,
        )
        _write(job_span, "wait", admitted_ns - int(outcome.wait_ms * NS_PER_MS), admitted_ns)
        _write(chat, "prefill", admitted_ns, first_token_ns)
        _write(chat, "decode", first_token_ns, end_ns)
        chat.end(end_ns)


def _start_job(claim: ClaimedJob) -> Span:
    job = claim.job
    queue = queue_name(job.lane)
    created_ns = job.created_at_ms * NS_PER_MS
    span = tracer().start_span(
        f"process {queue}",
        context_of(job.traceparent),
        SpanKind.CONSUMER,
        {
            "messaging.system": "celery",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": queue,
            "messaging.message.id": job.id,
            "financellm.attempt": job.attempt,
        },
        start_time=created_ns,
    )
    _write(span, "queue", created_ns, claim.claimed_at_ms * NS_PER_MS)
    return span


def _write(parent: Span, name: str, start_ns: int, end_ns: int) -> None:
    tracer().start_span(name, set_span_in_context(parent), start_time=start_ns).end(end_ns)
