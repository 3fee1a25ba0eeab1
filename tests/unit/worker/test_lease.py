"""Leases, progress and reaping on the in-memory store."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from common import operations
from common.errors import UnavailableError
from common.events import EventType, events_from_entries
from common.jobs import JobStatus, Lane
from common.leases import ClaimedJob, LeaseState
from common.operations import Operation
from common.overviews import WorkerInfo
from common.store import JobStore
from tests.support.values import WORKER, new_job, result
from worker.engine.base import EngineRequest
from worker.engine.fake import ByteTokenizer
from worker.engine.rows import AbortReason, RowHandle
from worker.engine.text import TextAssembler
from worker.lease import HeldJob, LeaseKeeper
from worker.progress import ProgressWriter

LEASE_MS = 20_000


def describe(running: int) -> WorkerInfo:
    return WORKER.model_copy(update={"running": running})


@pytest.fixture
def keeper(memory_store: JobStore) -> LeaseKeeper:
    return LeaseKeeper(memory_store, LEASE_MS, describe)


@pytest.fixture
def claim(memory_store: JobStore) -> Callable[[], ClaimedJob]:
    def submit_and_claim() -> ClaimedJob:
        memory_store.run(operations.submit(new_job(), 1_000_000, 3600))
        claimed = memory_store.run(operations.claim(WORKER.name, Lane.INTERACTIVE, LEASE_MS))
        assert claimed is not None
        return claimed

    return submit_and_claim


def row() -> RowHandle:
    return RowHandle(EngineRequest((1,), 100), TextAssembler(ByteTokenizer(), ()), None)


def write(handle: RowHandle, text: str) -> None:
    for byte in text.encode():
        handle.assembler.push(byte)


def texts(store: JobStore, job_id: str) -> list[dict[str, Any]]:
    entries: Any = store.client.xrange(store.keys.events(job_id))
    return [event.data for event in events_from_entries(entries) if event.type is EventType.TOKEN]


def test_every_row_of_a_job_has_the_deadline_of_its_claim(claim: Callable[[], ClaimedJob]) -> None:
    """Given a job claimed with 5 s left, then its deadline is 5 s from the claim, for later prompts too."""
    claimed = claim()
    job = claimed.job.model_copy(update={"deadline_at_ms": claimed.claimed_at_ms + 5_000})
    before_s = time.monotonic()
    held = HeldJob(ClaimedJob(job, claimed.claimed_at_ms, 0))
    assert held.deadline_s is not None
    assert before_s + 5 <= held.deadline_s <= time.monotonic() + 5
    assert HeldJob(claimed).deadline_s is None


def test_a_heartbeat_renews_and_tells_of_the_worker(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    held = keeper.hold(claim())
    before: Any = memory_store.client.zscore(f"{memory_store.keys.root}leases", held.claim.job.id)
    memory_store.client.zadd(f"{memory_store.keys.root}leases", {held.claim.job.id: before - 10_000})
    keeper.beat()
    after: Any = memory_store.client.zscore(f"{memory_store.keys.root}leases", held.claim.job.id)
    assert after >= before
    assert [worker.running for worker in memory_store.run(operations.overview()).workers] == [1]
    assert held.abort_reason is None


def test_a_heartbeat_brings_cancellations(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    held, other = keeper.hold(claim()), keeper.hold(claim())
    memory_store.run(operations.cancel(held.claim.job.id, "alice"))
    keeper.beat()
    assert held.abort_reason is AbortReason.CANCELLED
    assert other.abort_reason is None
    # An abort that came before the row is passed on to it.
    handle = row()
    held.attach(handle)
    assert handle.abort_reason is AbortReason.CANCELLED


def test_a_lost_lease_aborts_the_row(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    held = keeper.hold(claim())
    handle = row()
    held.attach(handle)
    memory_store.run(operations.release(held.claim.job.id, held.claim.job.fencing_token, "test"))
    keeper.beat()
    assert handle.abort_reason is AbortReason.LOST


def test_a_job_that_ended_meanwhile_is_not_lost(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    # Given a heartbeat that was under way when its job ended
    held = keeper.hold(claim())
    keeper.drop(held)
    keeper.apply([held], (LeaseState.LOST,))
    assert held.abort_reason is None


def test_dropping_leaves_a_newer_claim_alone(keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]) -> None:
    claimed = claim()
    older, newer = keeper.hold(claimed), keeper.hold(claimed)
    keeper.drop(older)
    assert keeper.held() == [newer]


def test_progress_writes_what_grew_with_its_offset(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    # Given two rows, when text grows between flushes
    first, second = keeper.hold(claim()), keeper.hold(claim())
    first.attach(row())
    second.attach(row())
    progress = ProgressWriter(memory_store, keeper)
    assert first.handle is not None
    write(first.handle, "abc")
    progress.flush()
    progress.flush()
    write(first.handle, "de")
    # Then each event tells its place, and nothing is written where nothing grew
    progress.flush()
    job_id = first.claim.job.id
    assert texts(memory_store, job_id) == [
        {"attempt": 1, "offset": 0, "text": "abc"},
        {"attempt": 1, "offset": 3, "text": "de"},
    ]
    assert texts(memory_store, second.claim.job.id) == []
    # and the rest comes with the result
    last = progress.last_text(first, "abcde!")
    memory_store.run(operations.succeed(*first.lease, result("abcde!"), last))
    assert texts(memory_store, job_id)[-1] == {"attempt": 1, "offset": 5, "text": "!"}


class LosesReplies:
    """A store that carries calls out and then loses the answer, as long as it is told to."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self.losing = True

    def run(self, operation: Operation[Any]) -> Any:
        reply = self._store.run(operation)
        if self.losing:
            raise UnavailableError("the reply was lost")
        return reply


def test_a_lost_reply_leaves_neither_gap_nor_double(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    # Given a flush that was carried out, but nobody knows
    held: HeldJob = keeper.hold(claim())
    held.attach(row())
    assert held.handle is not None
    flaky: Any = LosesReplies(memory_store)
    progress = ProgressWriter(flaky, keeper)
    write(held.handle, "abc")
    with pytest.raises(UnavailableError):
        progress.flush()
    write(held.handle, "def")
    with pytest.raises(UnavailableError):
        progress.last_text(held, "abcdef")
    # When it works again, then the text is there once
    flaky.losing = False
    last = progress.last_text(held, "abcdef")
    memory_store.run(operations.succeed(*held.lease, result("abcdef"), last))
    assert [event["text"] for event in texts(memory_store, held.claim.job.id)] == ["abc", "def"]


def test_text_of_a_second_claim_starts_anew(
    memory_store: JobStore, keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]
) -> None:
    # Given a job that was handed back after its first text, so that its next attempt has the same number
    first = keeper.hold(claim())
    progress = ProgressWriter(memory_store, keeper)
    for held in (first, None):
        if held is None:
            memory_store.run(operations.release(*first.lease, "drain"))
            keeper.drop(first)
            claimed = memory_store.run(operations.claim(WORKER.name, Lane.INTERACTIVE, LEASE_MS))
            assert claimed is not None
            held = keeper.hold(claimed)  # noqa: PLW2901
        held.attach(row())
        assert held.handle is not None
        write(held.handle, "abc")
        progress.flush()
    # Then its text is written again from the start
    assert [event["offset"] for event in texts(memory_store, first.claim.job.id)] == [0, 0]


def test_cancelling_by_name_reaches_only_held_jobs(keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]) -> None:
    held = keeper.hold(claim())
    keeper.cancel("job_unknown")
    assert held.abort_reason is None
    keeper.cancel(held.claim.job.id)
    assert held.abort_reason is AbortReason.CANCELLED


def test_release_all_asks_for_every_row_back(keeper: LeaseKeeper, claim: Callable[[], ClaimedJob]) -> None:
    helds = [keeper.hold(claim()) for _ in range(3)]
    keeper.release_all()
    assert {held.abort_reason for held in helds} == {AbortReason.RELEASED}
    assert {held.claim.job.status for held in helds} == {JobStatus.RUNNING}
