"""What a worker counts of an answered job."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common import operations
from common.jobs import Job, JobStatus, Lane
from common.leases import ClaimedJob
from common.queue import make_celery
from common.store import JobStore
from common.telemetry import WorkerMetrics
from tests.support.values import REQUEST, new_job
from worker.engine.base import FinishReason
from worker.engine.rows import RowOutcome
from worker.metrics import record_finished
from worker.service import WorkerService
from worker.settings import WorkerSettings


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


def test_an_idle_engine_shows_no_rows(memory_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a worker, when its last job has ended, then the rows in its engine are 0 and not those of the last step."""
    metrics = WorkerMetrics(CollectorRegistry())
    monkeypatch.setattr("worker.service.serve_metrics", lambda _settings: metrics)
    settings = WorkerSettings(engine="fake", data_dir=tmp_path, fake_step_ms=0)
    service = WorkerService(settings, make_celery(settings), memory_store)
    service.start()
    memory_store.run(operations.submit(new_job(), 1_000_000, 3_600))
    assert service.run_next(Lane.INTERACTIVE)
    assert (metrics.registry.get_sample_value("financellm_engine_step_seconds_count") or 0) > 0
    assert metrics.registry.get_sample_value("financellm_engine_rows") == 0
    service.stop()
