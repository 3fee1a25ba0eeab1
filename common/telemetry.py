"""Logs as JSON lines bound to a job, and every metric defined once."""

import logging
import sys
from contextlib import AbstractContextManager

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from structlog.contextvars import bound_contextvars

from common.queue_metrics import QueueMetrics

# CPU queues are slow next to GPU servers: buckets reach ten minutes.
LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)


def configure_logging(level: str, process: str) -> None:
    """Send this process's logs, the standard library's included, to stderr as one JSON object a line."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.contextvars.bind_contextvars(process=process)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose lines carry `name` as `logger`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def job_context(job_id: str) -> AbstractContextManager[None]:
    """Bind a job id to every log line of the block."""
    return bound_contextvars(job_id=job_id)


class GatewayMetrics:
    """What the gateway measures itself, and the queues it shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = Counter(
            "financellm_http_requests",
            "HTTP requests by route and status.",
            ("method", "route", "status"),
            registry=registry,
        )
        self.request_seconds = Histogram(
            "financellm_http_request_seconds",
            "Time to answer an HTTP request; streams and long polls included.",
            ("method", "route"),
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.refusals = Counter(
            "financellm_admission_refusals", "Submissions refused, by error code.", ("code",), registry=registry
        )
        self.event_listeners = Gauge("financellm_event_listeners", "Open event streams.", registry=registry)
        self.queue = QueueMetrics(registry)
        ProcessCollector(registry=registry)


class WorkerMetrics:
    """What a worker measures of its engine; histograms carry vLLM's names where the meaning is the same."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        ProcessCollector(registry=registry)
        self.queue_seconds = self._histogram(
            "vllm:request_queue_time_seconds", "Accepted to admitted, reading and tokenising left out."
        )
        self.prefill_seconds = self._histogram("vllm:request_prefill_time_seconds", "Admitted to first token.")
        self.decode_seconds = self._histogram("vllm:request_decode_time_seconds", "First to last token.")
        self.total_seconds = self._histogram("vllm:e2e_request_latency_seconds", "Accepted to finished.")
        self.first_token_seconds = self._histogram("vllm:time_to_first_token_seconds", "Accepted to first token.")
        self.token_seconds = self._histogram(
            "vllm:request_time_per_output_token_seconds", "Decode time of a request over its tokens after the first."
        )
        self.answers = Counter(
            "vllm:request_success", "Jobs answered, by why they ended.", ("finished_reason",), registry=registry
        )
        self.prefix_tokens = Counter("vllm:prefix_cache_queries", "Prompt tokens looked up.", registry=registry)
        self.cached_tokens = Counter("vllm:prefix_cache_hits", "Prompt tokens found in the cache.", registry=registry)
        self.prompt_tokens = Counter("vllm:prompt_tokens", "Prompt tokens processed.", registry=registry)
        self.generation_tokens = Counter("vllm:generation_tokens", "Tokens generated.", registry=registry)
        self.rows = Gauge("financellm_engine_rows", "Rows in the engine.", registry=registry)
        self.step_seconds = self._histogram("financellm_engine_step_seconds", "Time of one engine step.")
        self.bulk = BulkMetrics(registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(name, text, buckets=LATENCY_BUCKETS_S, registry=self.registry)


class BulkMetrics:
    """What a worker measures of the bulk runs it feeds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.runs = Gauge("financellm_bulk_runs", "Bulk runs fed by this worker.", registry=registry)
        self.ended = Counter(
            "financellm_bulk_runs_ended", "Bulk runs ended, by status.", ("status",), registry=registry
        )
        self.items = Counter(
            "financellm_bulk_items", "Items recorded by this worker, by outcome.", ("outcome",), registry=registry
        )
