"""Room promised to refused jobs: who is told what, and who gets in."""

from typing import Any

from common import operations
from common.jobs import Lane
from common.store import JobStore
from common.submissions import NewJob, Outcome, Submission
from common.turns import take_turn
from tests.support.values import new_job

LIMIT_TOKENS = 1_000
TOKENS_PER_SECOND = 100.0
TURNS = "turns:interactive"
HELD = "held_tokens:interactive"


def submit(store: JobStore, job: NewJob) -> Submission:
    return store.run(operations.submit(job, LIMIT_TOKENS, 60))


def told_s(store: JobStore, answer: Submission) -> int:
    """Return what a refused job is told."""
    assert answer.outcome is Outcome.FULL
    assert answer.turn is not None
    return store.run(take_turn(Lane.INTERACTIVE, answer.turn, LIMIT_TOKENS, TOKENS_PER_SECOND))


def fill(store: JobStore, jobs: int = 10) -> None:
    """Queue jobs of 100 tokens each."""
    for number in range(jobs):
        assert submit(store, new_job(idempotency_key=f"first {number}")).outcome is Outcome.ACCEPTED


def run_next(store: JobStore) -> None:
    """Have a worker take a job of 100 tokens off the queue."""
    assert store.run(operations.claim("w", Lane.INTERACTIVE, 20_000)) is not None


def pass_time(store: JobStore, seconds: int) -> None:
    """Let all turns be nearer by `seconds`."""
    client: Any = store.client
    for turn in client.zrange(store.keys.root + TURNS, 0, -1):
        client.zincrby(store.keys.root + TURNS, -1_000 * seconds, turn)


def refused(store: JobStore, key: str, caller: str = "alice") -> NewJob:
    """Have a job refused that then holds a turn."""
    job = new_job(idempotency_key=key, caller=caller)
    told_s(store, submit(store, job))
    return job


def test_refused_jobs_are_told_times_one_after_the_other(store: JobStore) -> None:
    # Given a full lane, when jobs come that find no room
    fill(store)
    # Then each is told when the room behind those before it is free, and the same time if it asks again
    assert [told_s(store, submit(store, new_job(idempotency_key=f"{n}"))) for n in range(4)] == [1, 2, 3, 4]
    assert told_s(store, submit(store, new_job(idempotency_key="2"))) == 3


def test_who_comes_in_its_turn_gets_the_room_and_a_newcomer_does_not(store: JobStore) -> None:
    # Given a job that was told a time, and room that became free
    fill(store)
    waiting = refused(store, "waiting")
    run_next(store)
    # When somebody else comes, then it is refused, and the job itself is let in
    assert submit(store, new_job(idempotency_key="newcomer")).outcome is Outcome.FULL
    assert submit(store, waiting).outcome is Outcome.ACCEPTED
    # And its turn is over with that: the next room is anybody's
    run_next(store)
    assert submit(store, new_job(idempotency_key="newcomer")).outcome is Outcome.ACCEPTED


def test_a_turn_is_kept_where_the_rate_was_estimated_too_high(store: JobStore) -> None:
    # Given jobs whose time has come while no room became free
    fill(store)
    waiting = [refused(store, f"{number}") for number in range(8)]
    assert submit(store, waiting[0]).outcome is Outcome.FULL
    pass_time(store, 8)
    # When they come, then those within half of the limit above it get in, and the others a new time
    outcomes = [submit(store, job).outcome for job in waiting]
    assert outcomes == [Outcome.ACCEPTED] * 5 + [Outcome.FULL] * 3
    assert told_s(store, submit(store, waiting[7])) == 8


def test_a_turn_nobody_comes_for_is_void(store: JobStore) -> None:
    # Given a turn that passed 11 s ago, and room
    fill(store)
    refused(store, "gone")
    run_next(store)
    assert submit(store, new_job(idempotency_key="newcomer")).outcome is Outcome.FULL
    pass_time(store, 12)
    # When a newcomer comes, then the room is its own
    assert submit(store, new_job(idempotency_key="newcomer")).outcome is Outcome.ACCEPTED


def test_half_of_a_lane_waits_for_nobody(store: JobStore) -> None:
    # Given turns for a whole lane
    fill(store)
    for number in range(10):
        refused(store, f"{number}")
    # When the lane is half empty, then newcomers are taken, so that no worker idles
    for _ in range(6):
        run_next(store)
    assert submit(store, new_job(idempotency_key="newcomer")).outcome is Outcome.ACCEPTED
    assert submit(store, new_job(idempotency_key="another")).outcome is Outcome.FULL


def test_no_caller_can_hold_a_lane_by_asking(store: JobStore) -> None:
    # Given a caller that was refused far more jobs than a lane holds
    fill(store)
    for number in range(50):
        refused(store, f"{number}", caller="busy")
    # Then turns for twice a lane are kept for it, and another caller's is kept beside them
    client: Any = store.client
    assert client.zcard(store.keys.root + TURNS) == 20
    quiet = refused(store, "quiet", caller="quiet")
    pass_time(store, 21)
    assert submit(store, quiet).outcome is Outcome.ACCEPTED
    # And all of it leaves Redis by itself
    assert 0 < client.pttl(store.keys.root + TURNS) <= 35_000
    assert 0 < client.pttl(store.keys.root + HELD) <= 35_000


def test_what_is_held_is_the_sum_of_the_turns(store: JobStore) -> None:
    # Given turns of two callers, of which some are used, passed or renewed
    fill(store)
    kept = [refused(store, f"{number}", caller=caller) for number in range(3) for caller in ("alice", "bob")]
    client: Any = store.client
    assert client.hgetall(store.keys.root + HELD) == {"*": "600", "alice": "300", "bob": "300"}
    pass_time(store, 7)
    submit(store, kept[0])
    pass_time(store, 12)
    # When one is told its next time, then only what is promised now is held
    told_s(store, submit(store, kept[1]))
    assert client.hgetall(store.keys.root + HELD) == {"*": "100", "alice": "0", "bob": "100"}
    assert client.zcard(store.keys.root + TURNS) == 1


def test_a_client_without_a_key_is_known_by_its_question(store: JobStore) -> None:
    fill(store)
    told_s(store, submit(store, new_job()))
    run_next(store)
    assert submit(store, new_job(caller="bob")).outcome is Outcome.FULL
    assert submit(store, new_job()).outcome is Outcome.ACCEPTED
