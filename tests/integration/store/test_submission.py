"""Accepting jobs: order, fairness, admission, idempotency."""

from common import operations
from common.events import EventType, events_from_entries
from common.jobs import JobStatus, Lane
from common.store import JobStore
from common.submissions import NewJob, Outcome, Submission
from tests.support.values import WORKER, new_job

LIMIT_TOKENS = 1_000
TTL_S = 60
LEASE_MS = 20_000


def submit(store: JobStore, job: NewJob, limit_tokens: int = LIMIT_TOKENS) -> Submission:
    return store.run(operations.submit(job, limit_tokens, TTL_S))


def claim_order(store: JobStore, lane: Lane) -> list[str]:
    order = []
    while claimed := store.run(operations.claim("w1", lane, LEASE_MS)):
        order.append(claimed.job.id)
    return order


def test_accepted_job_is_queued_with_its_first_event(store: JobStore) -> None:
    # Given a job, when it is submitted
    job = new_job()
    answer = submit(store, job)
    # Then it is queued, first in line, and its log starts with `queued`
    described = store.run(operations.describe(job.id, "alice"))
    assert answer.outcome is Outcome.ACCEPTED
    assert described is not None
    assert described.job.status is JobStatus.QUEUED
    assert described.place is not None
    assert described.place.position == 1
    entries = store.client.xrange(store.keys.events(job.id))
    assert [event.type for event in events_from_entries(entries)] == [EventType.QUEUED]


def test_jobs_of_one_caller_run_first_come_first_served(store: JobStore) -> None:
    jobs = [new_job() for _ in range(5)]
    for job in jobs:
        submit(store, job)
    assert claim_order(store, Lane.INTERACTIVE) == [job.id for job in jobs]


def test_higher_priority_goes_first(store: JobStore) -> None:
    low, high = new_job(priority=0), new_job(priority=9)
    submit(store, low)
    submit(store, high)
    assert claim_order(store, Lane.INTERACTIVE) == [high.id, low.id]


def test_a_quiet_caller_does_not_wait_behind_a_busy_one(store: JobStore) -> None:
    # Given one caller's backlog, of which some already ran
    busy = [new_job(lane=Lane.BULK, caller="busy") for _ in range(6)]
    for job in busy:
        submit(store, job)
    for _ in range(2):
        store.run(operations.claim("w1", Lane.BULK, LEASE_MS))
    # When another caller comes, then its job is among the next two, not last
    quiet = new_job(lane=Lane.BULK, caller="quiet")
    submit(store, quiet)
    assert quiet.id in claim_order(store, Lane.BULK)[:2]


def test_lanes_do_not_mix(store: JobStore) -> None:
    bulk, interactive = new_job(lane=Lane.BULK), new_job()
    submit(store, bulk)
    submit(store, interactive)
    assert claim_order(store, Lane.INTERACTIVE) == [interactive.id]
    assert claim_order(store, Lane.BULK) == [bulk.id]


def test_backlog_over_the_limit_is_refused_and_leaves_no_trace(store: JobStore) -> None:
    # Given a lane whose backlog reaches the limit
    submit(store, new_job(), limit_tokens=150)
    # When one more comes
    job = new_job()
    answer = submit(store, job, limit_tokens=150)
    # Then it is refused with the backlog, and nothing was written
    assert answer.outcome is Outcome.FULL
    assert answer.backlog_tokens == 100
    assert store.run(operations.describe(job.id, "alice")) is None


def test_an_empty_lane_takes_a_job_larger_than_the_limit(store: JobStore) -> None:
    assert submit(store, new_job(prompt_tokens=5_000)).outcome is Outcome.ACCEPTED


def test_backlog_falls_when_jobs_leave_the_queue(store: JobStore) -> None:
    first, second = new_job(), new_job()
    submit(store, first)
    submit(store, second)
    store.run(operations.claim("w1", Lane.INTERACTIVE, LEASE_MS))
    store.run(operations.cancel(second.id, "alice"))
    assert store.run(operations.overview()).lanes[Lane.INTERACTIVE].backlog_tokens == 0


def test_the_same_idempotency_key_and_body_give_the_same_job(store: JobStore) -> None:
    first = new_job(idempotency_key="k")
    submit(store, first)
    again = submit(store, new_job(idempotency_key="k"))
    assert (again.outcome, again.job_id) == (Outcome.REPEATED, first.id)


def test_the_same_idempotency_key_with_another_body_is_refused(store: JobStore) -> None:
    submit(store, new_job(idempotency_key="k"))
    other = submit(store, new_job(idempotency_key="k", body_hash="other"))
    assert other.outcome is Outcome.MISMATCH


def test_an_idempotency_key_belongs_to_its_caller(store: JobStore) -> None:
    submit(store, new_job(idempotency_key="k"))
    assert submit(store, new_job(idempotency_key="k", caller="bob")).outcome is Outcome.ACCEPTED


def test_a_command_sent_twice_by_the_client_library_counts_once(store: JobStore) -> None:
    job = new_job()
    submit(store, job)
    submit(store, job)
    lane = store.run(operations.overview()).lanes[Lane.INTERACTIVE]
    assert (lane.waiting, lane.backlog_tokens) == (1, 100)


def test_another_caller_sees_nothing(store: JobStore) -> None:
    job = new_job()
    submit(store, job)
    assert store.run(operations.describe(job.id, "bob")) is None
    assert store.run(operations.cancel(job.id, "bob")) is None
    assert store.run(operations.list_jobs("bob", None, 10)) == ()


def test_eta_comes_from_the_workers_measured_rate(store: JobStore) -> None:
    # Given two queued jobs of 100 tokens and a worker that measured 100 tokens/s
    first, second = new_job(), new_job()
    submit(store, first)
    submit(store, second)
    store.run(operations.heartbeat(WORKER, LEASE_MS, []))
    # Then the second is expected after two seconds
    described = store.run(operations.describe(second.id, "alice"))
    assert described is not None
    assert described.place is not None
    assert described.place.eta_s == 2.0


def test_pages_of_jobs_run_newest_first_from_a_cursor(store: JobStore) -> None:
    jobs = [new_job() for _ in range(5)]
    for job in jobs:
        submit(store, job)
    newest_first = [job.id for job in reversed(jobs)]
    page = store.run(operations.list_jobs("alice", None, 2))
    rest = store.run(operations.list_jobs("alice", page[-1].id, 10))
    assert [job.id for job in (*page, *rest)] == newest_first
