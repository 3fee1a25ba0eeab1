"""What outages, errors and refusals of the file store do to runs."""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Self

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from prometheus_client import CollectorRegistry
from s3fs.errors import translate_boto_error
from structlog.testing import capture_logs

from common import operations, run_operations
from common.bulk import BulkRun, RunKind, RunStatus, RunStream
from common.errors import NotFoundError, UnavailableError
from common.files import FileStore
from common.jobs import JobStatus, Lane
from common.run_operations import ENDED_RUN_TTL_MS, FIRST_REST_MS, LONGEST_REST_MS, MOST_FAULTS, FaultKind
from common.store import JobStore
from common.telemetry import BulkMetrics
from tests.support.bulk_runs import CALLER, BulkBench, chat_line
from worker.bulk.batches import BatchSource
from worker.bulk.faults import fault_of
from worker.bulk.feeder import BulkFeeder
from worker.settings import WorkerSettings

LINES = [chat_line(f"row-{number}", f"question {number}") for number in range(8)]
MOST = 3
AWAY = EndpointConnectionError(endpoint_url="http://bucket")


def answer(status: int, code: str) -> Exception:
    """What a bucket's answer becomes on its way to us."""
    response: Any = {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = translate_boto_error(ClientError(response, "PutObject"))
    return error


DENIED, NO_BUCKET = answer(403, "AccessDenied"), answer(404, "NoSuchBucket")


class FaultyFiles(FileStore):
    """A store whose calls raise `error` while there is one; `good_writes` go well before it comes."""

    error: Exception | None = None
    good_writes = 0

    def open(self, key: str) -> BinaryIO:
        """Open a file, unless reading is at fault too."""
        self._check()
        return super().open(key)

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """Write, as long as writes go well."""
        self.good_writes -= 1
        self._check()
        with super().writing(key) as file:
            yield file

    def keys(self, folder: str) -> list[str]:
        """List a folder."""
        self._check()
        return super().keys(folder)

    def _check(self) -> None:
        if self.error is not None and self.good_writes < 0:
            raise self.error


class FaultyBench(BulkBench):
    """A bench whose files may be away, fed as a worker feeds; the engine answers one job at a time."""

    files: FaultyFiles

    def __init__(self, store: JobStore, folder: Path) -> None:
        super().__init__(store, folder)
        self.folder = folder
        self.files = FaultyFiles(str(folder / "files"))
        metrics = BulkMetrics(CollectorRegistry())
        self._feeder = BulkFeeder(store, self.files, WorkerSettings(engine="fake"), self.context(), metrics)

    def another_worker(self) -> Self:
        """Return a worker over the same store and files."""
        return type(self)(self.store, self.folder)

    def play(self) -> None:
        """Answer one job."""
        self.answer_next()

    def feed_once(self) -> BulkRun | None:
        """Let a worker take a run and feed it until it ends or rests; a resting one has rested enough."""
        active: Any = self.store.client.zrange(f"{self.store.keys.root}runs_active", 0, 0)
        for run_id in active:
            self.store.client.hdel(self.store.keys.run(run_id), "not_before_ms")
        self._feeder._take_run()
        while self._feeder.running():
            time.sleep(0.001)
        return self.run(active[0]) if active else None

    def rest_ms(self, run: BulkRun) -> int:
        """Return how long a run rests from now on."""
        clock: Any = self.store.client.time()
        not_before: Any = self.store.client.hget(self.store.keys.run(run.id), "not_before_ms")
        now_ms: int = clock[0] * 1000 + clock[1] // 1000
        return int(not_before) - now_ms

    def left_ms(self, key: str) -> int:
        """Return how long a key is kept, -1 if for good."""
        left_ms: Any = self.store.client.pttl(key)
        return int(left_ms)

    def is_kept_for_a_while(self, run: BulkRun) -> bool:
        """Tell whether the record of an ended run expires."""
        return 0 < self.left_ms(self.store.keys.run(run.id)) <= ENDED_RUN_TTL_MS

    def jobs(self) -> int:
        """Return how many jobs are in Redis."""
        keys: Any = self.store.client.keys(f"{self.store.keys.root}job:*")
        return len(keys)


@pytest.fixture
def faulty(memory_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyBench]:
    """A store and a folder of its own, where few faults end a run; what workers would log is not laid out."""
    monkeypatch.setattr("worker.bulk.feeder.open_source", lambda run, files, _settings: BatchSource(run, files))
    monkeypatch.setattr("worker.bulk.feeder.CLOSED_WAIT_S", 0.0)
    for kind in (FaultKind.UNEXPECTED, FaultKind.CLOSED):
        monkeypatch.setitem(MOST_FAULTS, kind, MOST)
    with capture_logs():
        yield FaultyBench(memory_store, tmp_path)


def begun(bench: FaultyBench) -> BulkRun:
    """Accept a batch and leave it after its first part, with two answered items and two whose jobs wait."""
    run = bench.submit(LINES)
    bench.files.error, bench.files.good_writes = RuntimeError("once"), 1
    assert bench.feed_once() is not None
    bench.files.error = None
    return bench.run(run.id)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (AWAY, FaultKind.OUTAGE, "files_unavailable"),
        (ReadTimeoutError(endpoint_url="http://bucket"), FaultKind.OUTAGE, "files_unavailable"),
        (TimeoutError(), FaultKind.OUTAGE, "files_unavailable"),
        (answer(503, "SlowDown"), FaultKind.OUTAGE, "files_unavailable"),
        (answer(502, "502"), FaultKind.OUTAGE, "files_unavailable"),
        (OSError(errno.EIO, "disk"), FaultKind.OUTAGE, "files_unavailable"),
        (DENIED, FaultKind.CLOSED, "files_closed"),
        (NO_BUCKET, FaultKind.CLOSED, "files_closed"),
        (NoCredentialsError(), FaultKind.CLOSED, "files_closed"),
        (NotFoundError("The collection col_1 was deleted."), FaultKind.PERMANENT, "not_found"),
        (answer(404, "NoSuchKey"), FaultKind.UNEXPECTED, "file_missing"),
        (answer(400, "InvalidBucketName"), FaultKind.UNEXPECTED, "files_refused"),
        (RuntimeError("secret"), FaultKind.UNEXPECTED, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_is_told_apart_by_whether_it_passes(error: Exception, kind: FaultKind, code: str) -> None:
    """Given what a bucket, a disk or a defect raises, then it is known whether it passes, and what to tell of it."""
    fault = fault_of(error)
    assert (fault.kind, fault.error.code) == (kind, code)
    assert "secret" not in fault.error.message


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
    run = begun(faulty)
    faulty.files.error = DENIED
    faulty.feed_once()
    faulty.files.error = None
    # When the run has rested, then that worker takes no run, though it could
    waiting = faulty.feed_once()
    assert waiting is not None
    assert (waiting.status, waiting.completed) == (RunStatus.IN_PROGRESS, faulty.run(run.id).completed)
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


@pytest.mark.parametrize(
    ("kind", "least_s", "most_s"),
    [
        (FaultKind.OUTAGE, 23 * 3_600, 25 * 3_600),
        (FaultKind.UNEXPECTED, 300, 600),
        (FaultKind.CLOSED, 300, 600),
        (FaultKind.PERMANENT, 0, 0),
    ],
)
def test_faults_are_borne_as_long_as_callers_are_told(kind: FaultKind, least_s: int, most_s: int) -> None:
    """Given a run of which nothing gets on, then its rests before the last fault add up to what its reason says."""
    rests_ms = [min(LONGEST_REST_MS, FIRST_REST_MS * 2**number) for number in range(MOST_FAULTS[kind] - 1)]
    assert least_s <= sum(rests_ms) / 1000 <= most_s
