"""The checks of `make chaos` themselves: a log as it should be passes, and each way to break it is found."""

from typing import Any

import pytest

from common.events import EventType, JobEvent
from tests.chaos.cluster import Exit
from tests.chaos.invariants import Ending, History, Promise, broken_promises, redeliveries

MAX_ATTEMPTS = 3
Step = tuple[str, dict[str, Any]]


def running(attempt: int, worker: str = "worker-0.1") -> Step:
    """A claim."""
    return "running", {"attempt": attempt, "worker": worker}


def token(attempt: int, offset: int, text: str) -> Step:
    """Text of a claim."""
    return "token", {"attempt": attempt, "offset": offset, "text": text}


QUEUED: Step = ("queued", {})
LOST: Step = ("requeued", {"reason": "lease_expired", "attempt": 1})
SUCCEEDED: Step = ("succeeded", {})
# Two claims: the first worker was lost after some text, the second answered.
STEPS = (
    QUEUED,
    running(1),
    token(1, 0, "ca"),
    LOST,
    running(2, "worker-1.1"),
    token(2, 0, "cas"),
    token(2, 3, "h."),
    SUCCEEDED,
)


def history(*steps: Step, **changes: Any) -> History:
    """A job's history, a second between any two events."""
    events = [
        JobEvent(f"{number}-0", EventType(kind), 1000 * number, data) for number, (kind, data) in enumerate(steps)
    ]
    claims = sum(kind == "running" for kind, _ in steps)
    fields: dict[str, Any] = {
        "job_id": "job_1",
        "status": "succeeded",
        "fencing_token": claims,
        "attempt": claims,
        "result_text": "cash.",
        "error_code": None,
        "events": events,
        "seen": [event.id for event in events],
    }
    return History(**{**fields, **changes})


def promises(found: History) -> set[Promise]:
    """The promises that a history breaks."""
    return {broken.promise for broken in broken_promises(found, MAX_ATTEMPTS)}


def test_a_job_that_lost_its_worker_and_was_answered_breaks_nothing() -> None:
    # Given the log of a job that went from a lost worker to the next, then nothing is found
    assert broken_promises(history(*STEPS), MAX_ATTEMPTS) == []


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (history(*STEPS[:-1], status="running", result_text=None), Promise.LOST),
        (history(*STEPS, SUCCEEDED), Promise.DOUBLE),
        (history(*STEPS, token(2, 5, "late")), Promise.DOUBLE),
        (history(QUEUED, running(1), running(2), token(2, 0, "cash."), SUCCEEDED), Promise.ORDER),
        (history(*STEPS[:5], token(1, 2, "sh."), *STEPS[5:]), Promise.STALE_WRITE),
        (history(*STEPS[:4], token(1, 2, "sh."), *STEPS[4:]), Promise.STALE_WRITE),
        (history(*STEPS[:6], *STEPS[5:]), Promise.STALE_WRITE),
        (history(*STEPS, result_text="other"), Promise.STALE_WRITE),
        (history(*STEPS, fencing_token=3), Promise.STALE_WRITE),
        (history(*STEPS, status="failed"), Promise.WRONG_END),
        (history(*STEPS, seen=["0-0", "1-0"]), Promise.REPLAY),
        (history(*STEPS, seen=["0-0", *[f"{number}-0" for number in range(8)]]), Promise.REPLAY),
        (history(*STEPS, ending=Ending.POISONED), Promise.WRONG_END),
    ],
)
def test_each_broken_promise_is_found(broken: History, promise: Promise) -> None:
    # Given a log in which one thing went wrong, then that promise is among those it breaks
    assert promise in promises(broken)


def test_poison_must_end_poisoned_after_its_attempts() -> None:
    # Given a job that lost three workers
    steps: tuple[Step, ...] = (QUEUED, running(1), LOST, running(2), LOST, running(3), ("failed", {}))
    poisoned = {"status": "failed", "error_code": "poisoned", "result_text": None, "ending": Ending.POISONED}
    # When it ended as poison does, or after fewer attempts
    right, early = history(*steps, **poisoned), history(*steps, **{**poisoned, "attempt": 2})
    # Then only the second is found
    assert promises(right) == set()
    assert promises(early) == {Promise.WRONG_END}


def test_redelivery_counts_from_the_loss_of_the_worker_to_the_next_claim() -> None:
    # Given a job whose worker went at 1.5 s and was claimed again at 4 s, and whose worker had gone once long before
    gone = [Exit("worker-0.1", -9000.0, -9), Exit("worker-0.1", 1500.0, -9), Exit("worker-0.1", 60_000.0, 0)]
    # When its redeliveries are read, with what is known of exits and without
    (found,) = redeliveries(history(*STEPS), gone)
    (unknown,) = redeliveries(history(*STEPS), [])
    # Then it took 2.5 s, and a worker that did not go is told apart
    assert (found.worker, found.seconds) == ("worker-0.1", 2.5)
    assert unknown.seconds is None
