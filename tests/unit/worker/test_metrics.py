"""What a worker counts of an answered job."""

import pytest
from prometheus_client import CollectorRegistry

from common.jobs import Job, JobStatus, Lane
from common.leases import ClaimedJob
from common.telemetry import WorkerMetrics
from tests.support.values import REQUEST
from worker.engine.base import FinishReason
from worker.engine.rows import RowOutcome
from worker.metrics import record_finished


def test_waiting_for_a_row_is_part_of_every_time_from_acceptance() -> None:
    """Given a job claimed after 1 s that waited 2 s for a row, then both are in queue, first token and total time."""
    job = Job(
        id="j1", status=JobStatus.RUNNING, lane=Lane.BULK, caller="alice", request=REQUEST, prompt_tokens=90,
        cost_tokens=100, priority=0, created_at_ms=10_000,
    )  # fmt: skip
    outcome = RowOutcome(
        text="5", finish_reason=FinishReason.STOP, prompt_tokens=90, cached_prompt_tokens=0, completion_tokens=8,
        wait_ms=2_000, prefill_ms=400, decode_ms=800, batch_size_mean=1,
    )  # fmt: skip
    registry = CollectorRegistry()
    record_finished(WorkerMetrics(registry), ClaimedJob(job, 11_000, 0), outcome)
    for name, seconds in (
        ("vllm:request_queue_time_seconds", 3.0),
        ("vllm:time_to_first_token_seconds", 3.4),
        ("vllm:e2e_request_latency_seconds", 4.2),
        ("vllm:request_prefill_time_seconds", 0.4),
    ):
        assert registry.get_sample_value(f"{name}_sum") == pytest.approx(seconds)
