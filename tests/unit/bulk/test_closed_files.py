"""What becomes of runs whose files nobody, or not this worker, may use."""

import pytest

from common import operations, run_operations
from common.bulk import RunStatus
from common.jobs import JobStatus, Lane
from tests.unit.bulk.faulty_bench import DENIED, LINES, MOST, NO_BUCKET, FaultyBench, begun


@pytest.mark.parametrize(
    ("error", "words"), [(DENIED, "access is denied"), (NO_BUCKET, "bucket does not exist")], ids=["denied", "none"]
)
def test_a_bucket_that_stays_closed_ends_the_run_and_nothing_is_left(
    faulty: FaultyBench, error: Exception, words: str
) -> None:
    # Given a run with answered, running and waiting jobs, and a bucket that lets nobody in
    run = begun(faulty)
    running = faulty.store.run(operations.claim("player", Lane.BULK, 60_000))
    assert running is not None
    assert faulty.jobs() == 4
    faulty.files.error = error
    # When it is fed as often as that is borne
    for _ in range(MOST):
        failed = faulty.feed_once()
    # Then it has failed, its caller is told why, and its input may be deleted
    assert failed is not None
    assert failed.status is RunStatus.FAILED
    assert words in failed.errors[0].message
    assert faulty.store.client.hget(f"{faulty.store.keys.root}file:{run.spec['input_file_id']}", "in_use") == "0"
    # And only what runs is still there, which its worker is told to end, and goes soon after
    assert faulty.store.run(operations.claim("player", Lane.BULK, 60_000)) is None
    assert faulty.jobs() == 1
    key = faulty.store.keys.job(running.job.id)
    assert faulty.store.client.hget(key, "cancel_requested") == "1"
    assert faulty.store.run(operations.end(running.job.id, running.job.fencing_token, JobStatus.CANCELLED))
    assert 0 < faulty.left_ms(key) <= 60_000
    # And when the files cannot be cleared away either, the run is put away all the same
    for _ in range(MOST):
        assert faulty.feed_once() is not None
    assert faulty.feed_once() is None
    assert faulty.is_kept_for_a_while(run)


def test_a_worker_with_a_wrong_key_leaves_its_runs_to_others(
    faulty: FaultyBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a batch under way, and a worker that the bucket shuts out
    monkeypatch.setattr("worker.bulk.feeder.CLOSED_WAIT_S", 30.0)
    begun(faulty)
    faulty.files.error = DENIED
    shut_out = faulty.feed_once()
    faulty.files.error = None
    # When the run has rested, then that worker leaves it as it is, though it could go on by now
    assert shut_out is not None
    assert shut_out.status is RunStatus.IN_PROGRESS
    assert faulty.feed_once() == shut_out
    # And another one brings it to its end
    ended = faulty.another_worker().feed_once()
    assert ended is not None
    assert (ended.status, ended.completed) == (RunStatus.COMPLETED, len(LINES))


def test_the_files_of_a_failed_run_are_cleared_away_when_they_can_be(faulty: FaultyBench) -> None:
    # Given a run that failed with a file that nobody lists in its folder
    run = begun(faulty)
    faulty.files.error = DENIED
    for _ in range(MOST):
        faulty.feed_once()
    faulty.files.error = None
    faulty.files.write(f"runs/{run.id}/output-00000099-1", b"left by a crash")
    # When a worker looks for runs, then the file is gone, listed ones stay, and the run's record expires
    assert faulty.feed_once() is not None
    listed = faulty.store.run(run_operations.run_parts(run.id))
    assert {part.key(run.id) for part in listed} == set(faulty.files.keys(f"runs/{run.id}/"))
    assert listed
    assert faulty.is_kept_for_a_while(run)


@pytest.mark.parametrize("error", [DENIED, RuntimeError("no listing")], ids=["denied", "unexpected"])
def test_an_ended_run_whose_files_cannot_be_cleared_away_stays_as_it_ended(
    faulty: FaultyBench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    # Given a run that completes where files cannot be listed
    def no_listing(_folder: str) -> list[str]:
        raise error

    run = faulty.submit(LINES)
    monkeypatch.setattr(faulty.files, "keys", no_listing)
    # When workers try until they give up
    for _ in range(MOST):
        faulty.feed_once()
    # Then it is still completed, without a reason, and its record expires
    ended = faulty.run(run.id)
    assert (ended.status, ended.errors) == (RunStatus.COMPLETED, ())
    assert faulty.feed_once() is None
    assert faulty.is_kept_for_a_while(run)
