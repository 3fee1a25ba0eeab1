"""What Prometheus is told of queues and workers."""

import math

import pytest
from prometheus_client import CollectorRegistry

from common.jobs import Lane
from common.operations import claim, heartbeat, overview, reap, release, submit
from common.queue_metrics import QueueMetrics
from common.store import JobStore
from tests.support.values import WORKER, new_job


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def shown(registry: CollectorRegistry) -> QueueMetrics:
    return QueueMetrics(registry)


def test_queued_work_is_seconds_of_one_worker_and_of_those_that_live(
    registry: CollectorRegistry, shown: QueueMetrics, memory_store: JobStore
) -> None:
    # Given two workers of 100 tokens a second and 10 jobs of 100 tokens
    for name in ("w1", "w2"):
        memory_store.run(heartbeat(WORKER.model_copy(update={"name": name}), 1_000, []))
    for _ in range(10):
        memory_store.run(submit(new_job(), 1_000_000, 60))
    # When shown, then one worker would need 10 s, both 5 s
    shown.show(memory_store.run(overview()))
    assert registry.get_sample_value("financellm_queued_work_seconds") == pytest.approx(10)
    assert registry.get_sample_value("financellm_queued_work_seconds_per_worker") == pytest.approx(5)


def test_work_that_waits_for_nobody_is_still_counted(
    registry: CollectorRegistry, shown: QueueMetrics, memory_store: JobStore
) -> None:
    # Given a worker that measured its rate and left again, and a job that waits
    memory_store.run(heartbeat(WORKER, 1_000, []))
    shown.show(memory_store.run(overview()))
    memory_store.run(submit(new_job(), 1_000_000, 60))
    memory_store.run(heartbeat(WORKER.model_copy(update={"draining": True, "tokens_per_second": None}), 1_000, []))
    shown.show(memory_store.run(overview()))
    # Then an autoscaler learns how much there is to do, and that nobody does it
    assert registry.get_sample_value("financellm_workers") == 0
    assert registry.get_sample_value("financellm_queued_work_seconds") == pytest.approx(1)
    assert registry.get_sample_value("financellm_queued_work_seconds_per_worker") == math.inf


def test_work_of_unknown_speed_is_no_number(
    registry: CollectorRegistry, shown: QueueMetrics, memory_store: JobStore
) -> None:
    shown.show(memory_store.run(overview()))
    assert registry.get_sample_value("financellm_queued_work_seconds_per_worker") == 0
    memory_store.run(submit(new_job(), 1_000_000, 60))
    shown.show(memory_store.run(overview()))
    seconds = registry.get_sample_value("financellm_queued_work_seconds")
    assert seconds is not None
    assert math.isnan(seconds)


def test_the_oldest_job_is_found_behind_younger_ones(memory_store: JobStore) -> None:
    # Given a job of low priority, and a later one that is served before it
    memory_store.run(submit(new_job(priority=-5), 1_000_000, 60))
    first_ms = memory_store.run(overview()).lanes[Lane.INTERACTIVE].oldest_age_ms
    memory_store.run(submit(new_job(priority=5), 1_000_000, 60))
    lane = memory_store.run(overview()).lanes[Lane.INTERACTIVE]
    assert lane.oldest_age_ms >= lane.head_age_ms
    assert lane.oldest_age_ms >= first_ms
    # When both are claimed, then nothing is old; when one is handed back, then its whole age counts again
    memory_store.run(claim("w1", Lane.INTERACTIVE, 10_000))
    claimed = memory_store.run(claim("w1", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    assert memory_store.run(overview()).lanes[Lane.INTERACTIVE].oldest_age_ms == 0
    memory_store.run(release(claimed.job.id, claimed.job.fencing_token, "drain"))
    assert memory_store.run(overview()).lanes[Lane.INTERACTIVE].oldest_age_ms >= lane.oldest_age_ms


def test_reclaims_are_counted_apart_from_jobs(
    registry: CollectorRegistry, shown: QueueMetrics, memory_store: JobStore
) -> None:
    # Given a job whose lease ran out at once, when it is taken back, then that is one reclaim and no state of a job
    memory_store.run(submit(new_job(), 1_000_000, 60))
    memory_store.run(claim("dead", Lane.INTERACTIVE, 0))
    memory_store.run(reap(10, 3))
    shown.show(memory_store.run(overview()))
    assert registry.get_sample_value("financellm_lease_reclaims_total") == 1
    assert registry.get_sample_value("financellm_jobs_total", {"state": "accepted"}) == 1
    assert registry.get_sample_value("financellm_jobs_total", {"state": "leases_lost"}) is None


def test_a_store_that_is_away_shows_no_old_figures(registry: CollectorRegistry, shown: QueueMetrics) -> None:
    shown.show(None)
    assert registry.get_sample_value("financellm_store_up") == 0
    for name in ("financellm_workers", "financellm_queued_work_seconds", "vllm:num_requests_running"):
        value = registry.get_sample_value(name)
        assert value is not None
        assert math.isnan(value)
    assert registry.get_sample_value("financellm_lease_reclaims_total") is None
