"""Claiming, renewing, losing and handing back jobs."""

import time

from common import operations
from common.events import EventType, events_from_entries
from common.jobs import JobError, JobStatus, Lane
from common.leases import ClaimedJob, LeaseState
from common.store import JobStore
from common.submissions import NewJob
from tests.support.values import WORKER, new_job, result

LEASE_MS = 20_000
SHORT_LEASE_MS = 30


def submitted(store: JobStore, job: NewJob) -> NewJob:
    store.run(operations.submit(job, 100_000, 60))
    return job


def claimed(store: JobStore, lease_ms: int = LEASE_MS) -> ClaimedJob:
    claim = store.run(operations.claim("w1", Lane.INTERACTIVE, lease_ms))
    assert claim is not None
    return claim


def lose_lease(store: JobStore) -> ClaimedJob:
    claim = claimed(store, SHORT_LEASE_MS)
    time.sleep(2 * SHORT_LEASE_MS / 1000)
    return claim


def status(store: JobStore, job_id: str) -> JobStatus:
    described = store.run(operations.describe(job_id, "alice"))
    assert described is not None
    return described.job.status


def event_types(store: JobStore, job_id: str) -> list[EventType]:
    return [event.type for event in events_from_entries(store.client.xrange(store.keys.events(job_id)))]


def test_a_job_is_claimed_by_one_worker_only(store: JobStore) -> None:
    submitted(store, new_job())
    assert claimed(store).job.attempt == 1
    assert store.run(operations.claim("w2", Lane.INTERACTIVE, LEASE_MS)) is None


def test_success_is_written_with_queue_and_total_time(store: JobStore) -> None:
    job = submitted(store, new_job())
    time.sleep(0.02)
    claim = claimed(store)
    assert store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    described = store.run(operations.describe(job.id, "alice"))
    assert described is not None
    assert described.job.result is not None
    timings = described.job.result.timings
    assert 20 <= timings.queue_ms <= timings.total_ms


def test_what_a_claimed_job_waited_for_a_row_is_queue_time(store: JobStore) -> None:
    job = submitted(store, new_job())
    claim = claimed(store)
    assert store.run(operations.succeed(job.id, claim.job.fencing_token, result(wait_ms=5_000)))
    described = store.run(operations.describe(job.id, "alice"))
    assert described is not None
    assert described.job.result is not None
    assert 5_000 <= described.job.result.timings.queue_ms < 10_000


def test_a_stale_token_writes_nothing(store: JobStore) -> None:
    # Given a job whose lease ran out and which another worker claimed
    job = submitted(store, new_job())
    stale = lose_lease(store)
    store.run(operations.reap(10, 3))
    fresh = claimed(store)
    # When the first worker comes back
    wrote = store.run(operations.succeed(job.id, stale.job.fencing_token, result("stale")))
    appended = store.run(operations.progress([(job.id, stale.job.fencing_token, {"text": "stale"})]))
    # Then nothing of it is kept and the second worker's result stands
    assert not wrote
    assert appended == (LeaseState.LOST,)
    assert store.run(operations.succeed(job.id, fresh.job.fencing_token, result("fresh")))
    described = store.run(operations.describe(job.id, "alice"))
    assert described is not None
    assert described.job.result is not None
    assert described.job.result.text == "fresh"


def test_a_result_sent_twice_is_kept_once(store: JobStore) -> None:
    job = submitted(store, new_job())
    claim = claimed(store)
    assert store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    assert store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    assert event_types(store, job.id).count(EventType.SUCCEEDED) == 1


def test_a_heartbeat_keeps_the_lease(store: JobStore) -> None:
    submitted(store, new_job())
    claim = claimed(store, SHORT_LEASE_MS)
    states = store.run(operations.heartbeat(WORKER, LEASE_MS, [(claim.job.id, claim.job.fencing_token)]))
    time.sleep(2 * SHORT_LEASE_MS / 1000)
    assert states == (LeaseState.HELD,)
    assert store.run(operations.reap(10, 3)) == ()


def test_a_lost_lease_puts_the_job_back_in_front(store: JobStore) -> None:
    first, second = submitted(store, new_job()), submitted(store, new_job())
    lose_lease(store)
    assert store.run(operations.reap(10, 3)) == ((first.id, Lane.INTERACTIVE),)
    again = claimed(store)
    assert (again.job.id, again.job.attempt, again.losses) == (first.id, 2, 1)
    assert claimed(store).job.id == second.id
    assert event_types(store, first.id) == ["queued", "running", "requeued", "running"]


def test_a_job_that_loses_its_worker_too_often_is_poisoned(store: JobStore) -> None:
    job = submitted(store, new_job())
    for _ in range(3):
        lose_lease(store)
        store.run(operations.reap(10, 3))
    described = store.run(operations.describe(job.id, "alice"))
    assert described is not None
    assert described.job.status is JobStatus.FAILED
    assert described.job.error is not None
    assert described.job.error.code == "poisoned"


def test_a_job_handed_back_does_not_lose_an_attempt(store: JobStore) -> None:
    job = submitted(store, new_job())
    claim = claimed(store)
    assert store.run(operations.release(job.id, claim.job.fencing_token, "drain")) is Lane.INTERACTIVE
    again = claimed(store)
    assert (again.job.attempt, again.job.fencing_token, again.losses) == (1, 2, 0)


def test_cancelling_a_queued_job_ends_it_at_once(store: JobStore) -> None:
    job = submitted(store, new_job())
    assert store.run(operations.cancel(job.id, "alice")) is JobStatus.CANCELLED
    assert store.run(operations.claim("w1", Lane.INTERACTIVE, LEASE_MS)) is None


def test_cancelling_a_running_job_reaches_its_worker(store: JobStore) -> None:
    job = submitted(store, new_job())
    claim = claimed(store)
    assert store.run(operations.cancel(job.id, "alice")) is JobStatus.RUNNING
    lease = (job.id, claim.job.fencing_token)
    assert store.run(operations.heartbeat(WORKER, LEASE_MS, [lease])) == (LeaseState.CANCEL,)
    assert store.run(operations.end(*lease, JobStatus.CANCELLED))
    assert status(store, job.id) is JobStatus.CANCELLED


def test_a_cancelled_job_whose_worker_died_ends_cancelled(store: JobStore) -> None:
    job = submitted(store, new_job())
    lose_lease(store)
    store.run(operations.cancel(job.id, "alice"))
    assert store.run(operations.reap(10, 3)) == ()
    assert status(store, job.id) is JobStatus.CANCELLED


def test_cancelling_an_ended_job_changes_nothing(store: JobStore) -> None:
    job = submitted(store, new_job())
    claim = claimed(store)
    store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    assert store.run(operations.cancel(job.id, "alice")) is JobStatus.SUCCEEDED
    assert event_types(store, job.id)[-1] is EventType.SUCCEEDED


def test_a_deadline_that_passes_in_the_queue_expires_the_job(store: JobStore) -> None:
    by_claim = submitted(store, new_job(deadline_ms=10))
    time.sleep(0.03)
    assert store.run(operations.claim("w1", Lane.INTERACTIVE, LEASE_MS)) is None
    by_reaper = submitted(store, new_job(deadline_ms=10))
    time.sleep(0.03)
    store.run(operations.reap(10, 3))
    assert status(store, by_claim.id) is JobStatus.EXPIRED
    assert status(store, by_reaper.id) is JobStatus.EXPIRED


def test_a_failure_keeps_its_code_and_reason(store: JobStore) -> None:
    job = submitted(store, new_job())
    claim = claimed(store)
    error = JobError(code="engine_error", message="The row failed.")
    store.run(operations.end(job.id, claim.job.fencing_token, JobStatus.FAILED, error))
    described = store.run(operations.describe(job.id, "alice"))
    assert described is not None
    assert described.job.error == error


def test_a_retired_worker_is_not_counted(store: JobStore) -> None:
    store.run(operations.heartbeat(WORKER, LEASE_MS, []))
    assert store.run(operations.overview()).workers == (WORKER,)
    store.run(operations.retire_worker(WORKER.name))
    assert store.run(operations.overview()).workers == ()


def test_ended_jobs_leave_redis_after_their_time(store: JobStore) -> None:
    # Given a job that ended with a result time of one second
    job = new_job()
    store.run(operations.submit(job, 100_000, 1))
    claim = claimed(store)
    store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    # When that time is over and the reaper passed
    time.sleep(1.1)
    store.run(operations.reap(10, 3))
    # Then neither record, log nor index entry is left
    assert store.run(operations.list_jobs("alice", None, 10)) == ()
    left = {key for key in store.client.scan_iter("*") if job.id in key}
    assert left == set()
    assert store.client.exists(f"{store.keys.root}jobs:alice", f"{store.keys.root}expiring") == 0


def test_a_webhook_is_due_after_the_end_and_hidden_while_tried(store: JobStore) -> None:
    job = submitted(store, new_job(webhook_url="https://example.com/hook"))
    assert store.run(operations.webhooks_due(10, 60_000)) == ()
    claim = claimed(store)
    store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    due = store.run(operations.webhooks_due(10, 60_000))
    assert [(entry.id, entry.webhook.attempts if entry.webhook else 0) for entry in due] == [(job.id, 1)]
    assert store.run(operations.webhooks_due(10, 60_000)) == ()


def test_a_failed_delivery_is_due_again_later(store: JobStore) -> None:
    job = submitted(store, new_job(webhook_url="https://example.com/hook"))
    claim = claimed(store)
    store.run(operations.succeed(job.id, claim.job.fencing_token, result()))
    store.run(operations.webhooks_due(10, 60_000))
    store.run(operations.webhook_later(job.id, "status 500", 0))
    due = store.run(operations.webhooks_due(10, 60_000))
    assert due[0].webhook is not None
    assert (due[0].webhook.attempts, due[0].webhook.last_error) == (2, "status 500")
    store.run(operations.webhook_delivered(job.id))
    assert store.run(operations.webhooks_due(10, 0)) == ()
