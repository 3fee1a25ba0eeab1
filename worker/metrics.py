"""What a worker tells Prometheus of each answered job."""

import errno

from prometheus_client import CollectorRegistry

from common.errors import ConfigurationError
from common.leases import ClaimedJob
from common.telemetry import WorkerMetrics
from worker.engine.rows import RowOutcome
from worker.metrics_server import start_metrics_server
from worker.settings import WorkerSettings


def serve_metrics(settings: WorkerSettings) -> WorkerMetrics:
    """Build the metrics and, unless the port is 0, serve them; raises ConfigurationError if it cannot listen."""
    registry = CollectorRegistry()
    if settings.metrics_port:
        try:
            start_metrics_server(settings.metrics_host, settings.metrics_port, registry)
        except OSError as error:
            raise ConfigurationError(_refusal(settings, error)) from error
    return WorkerMetrics(registry)


def _refusal(settings: WorkerSettings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"FINANCELLM_METRICS_PORT {settings.metrics_port} cannot be listened on: {error}. Choose another port."
    where = f"FINANCELLM_METRICS_HOST {settings.metrics_host}, FINANCELLM_METRICS_PORT {settings.metrics_port}"
    return f"{where} cannot be listened on: {error}."


def record_finished(metrics: WorkerMetrics, claim: ClaimedJob, outcome: RowOutcome) -> None:
    """Count one answered job."""
    queue_s = (claim.claimed_at_ms - claim.job.created_at_ms + outcome.wait_ms) / 1000
    metrics.queue_seconds.observe(queue_s)
    metrics.prefill_seconds.observe(outcome.prefill_ms / 1000)
    metrics.decode_seconds.observe(outcome.decode_ms / 1000)
    metrics.first_token_seconds.observe(queue_s + outcome.prefill_ms / 1000)
    later_tokens = outcome.completion_tokens - outcome.rows
    if later_tokens > 0:
        metrics.token_seconds.observe(outcome.decode_ms / 1000 / later_tokens)
    metrics.total_seconds.observe(queue_s + (outcome.prefill_ms + outcome.decode_ms) / 1000)
    metrics.prompt_tokens.inc(outcome.prompt_tokens)
    metrics.generation_tokens.inc(outcome.completion_tokens)
    metrics.prefix_tokens.inc(outcome.prompt_tokens)
    metrics.cached_tokens.inc(outcome.cached_prompt_tokens)
    metrics.answers.labels(outcome.finish_reason).inc()
