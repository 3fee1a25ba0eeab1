"""What outages and errors of the file store do to runs."""

from itertools import pairwise

import pytest

from common import run_operations
from common.bulk import RunKind, RunStatus, RunStream
from common.errors import UnavailableError
from common.run_operations import LONGEST_REST_MS
from tests.support.bulk_runs import CALLER, chat_line
from tests.unit.bulk.faulty_bench import AWAY, LINES, MOST, FaultyBench, begun


def test_a_bucket_that_is_away_ends_no_run(faulty: FaultyBench) -> None:
    # Given a batch under way, whose bucket answers no more
    begun(faulty)
    faulty.files.error = AWAY
    # When it is tried far more often than any other fault is borne
    rests_ms = [faulty.rest_ms(run) for _ in range(3 * MOST) if (run := faulty.feed_once())]
    # Then it rests twice as long each time, up to minutes
    assert all(1.8 < later / sooner < 2.2 for sooner, later in pairwise(rests_ms[:6]))
    assert LONGEST_REST_MS - 1_000 < rests_ms[-1] <= LONGEST_REST_MS
    # And goes on to its end when the bucket is back
    faulty.files.error = None
    ended = faulty.feed_once()
    assert ended is not None
    assert (ended.status, ended.completed) == (RunStatus.COMPLETED, len(LINES))
    assert not faulty.left_in_redis()


def test_redis_that_is_away_is_not_even_counted(faulty: FaultyBench, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a run whose worker finds Redis, a full disk or unread documents in its way, more often than faults are borne
    run = begun(faulty)
    with monkeypatch.context() as outage:
        outage.setattr(faulty.files, "error", UnavailableError("Redis does not answer."))
        for _ in range(2 * MOST):
            faulty.feed_once()
    # When it is back, then the run ends well
    assert faulty.run(run.id).status is RunStatus.IN_PROGRESS
    ended = faulty.feed_once()
    assert ended is not None
    assert ended.status is RunStatus.COMPLETED


def test_faults_count_only_while_nothing_gets_on(faulty: FaultyBench) -> None:
    # Given a run that fails again after each part it has written
    run = faulty.submit(LINES)
    faulty.files.error = RuntimeError("again and again")
    attempts = 0
    while not faulty.run(run.id).status.is_terminal:
        faulty.files.good_writes = 1
        faulty.feed_once()
        attempts += 1
    # When it has failed more often than faults are borne in a row, then it has ended well all the same
    assert attempts > MOST
    ended = faulty.run(run.id)
    assert (ended.status, ended.completed) == (RunStatus.COMPLETED, len(LINES))
    assert len(faulty.rows(ended, RunStream.OUTPUT)) == len(LINES)


def test_a_fault_that_stays_ends_the_run_with_its_reason(faulty: FaultyBench) -> None:
    # Given a run that fails each time
    run = begun(faulty)
    faulty.files.error = RuntimeError("always")
    # When it has failed as often as is borne but once, then it is still tried; the next time it ends
    left = MOST - 1
    for _ in range(left - 1):
        faulty.feed_once()
    assert faulty.run(run.id).status is RunStatus.IN_PROGRESS
    faulty.feed_once()
    ended = faulty.run(run.id)
    assert ended.status is RunStatus.FAILED
    assert [error.code for error in ended.errors] == ["internal_error"]


def test_a_cancelled_run_does_not_rest_any_longer(faulty: FaultyBench) -> None:
    # Given a run that rests after a fault
    run = begun(faulty)
    assert faulty.store.run(run_operations.lease_run(60_000)) is None
    # When it is cancelled, then it can be taken at once
    faulty.store.run(run_operations.cancel_run(run.id, CALLER, RunKind.BATCH))
    assert faulty.store.run(run_operations.lease_run(60_000)) is not None


def test_lost_twins_are_a_fault_and_no_item_is_recorded_twice(faulty: FaultyBench) -> None:
    # Given a run under way, of which the file that says which lines ask the same is gone for now
    run = faulty.submit([*LINES, chat_line("again", "question 0")])
    faulty.files.error, faulty.files.good_writes = RuntimeError("once"), 2
    faulty.feed_once()
    faulty.files.error = None
    twins = f"runs/{run.id}/{faulty.run(run.id).twins}"
    kept = faulty.files.read(twins)
    assert kept
    faulty.files.delete(twins)
    # When it is fed, and again with the file back
    faulty.feed_once()
    faulty.files.write(twins, kept)
    ended = faulty.feed_once()
    # Then every line has one record
    assert ended is not None
    assert (ended.status, ended.completed) == (RunStatus.COMPLETED, len(LINES) + 1)
    ids = [row["custom_id"] for row in faulty.rows(ended, RunStream.OUTPUT)]
    assert len(ids) == len(set(ids)) == len(LINES) + 1
