"""Reaper, watchdog, rate and processor quota."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from common import operations
from common.errors import UnavailableError
from common.jobs import Lane
from common.settings import Settings
from common.store import JobStore
from tests.support.values import new_job
from worker import reaper as reaper_module
from worker.rate import RateMeter
from worker.reaper import Reaper
from worker.watchdog import EXIT_DEAF, EXIT_STALLED, Watchdog


@pytest.fixture
def permits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Lane, str]]:
    """The permits that a reaper sends."""
    sent: list[tuple[Lane, str]] = []
    monkeypatch.setattr(reaper_module, "send_permit", lambda _app, lane, job_id: sent.append((lane, job_id)))
    return sent


def make_reaper(store: Any) -> Reaper:
    return Reaper(store, SimpleNamespace(), Settings(lease_ttl_ms=20_000, heartbeat_interval_ms=5_000))


def lose_a_job(store: JobStore) -> str:
    """Claim a job with a lease that is over at once."""
    store.run(operations.submit(new_job(), 1_000_000, 3600))
    claimed = store.run(operations.claim("dead", Lane.INTERACTIVE, 0))
    assert claimed is not None
    return claimed.job.id


def test_lost_jobs_are_taken_back_and_get_a_permit(memory_store: JobStore, permits: list[tuple[Lane, str]]) -> None:
    job_id = lose_a_job(memory_store)
    make_reaper(memory_store).round()
    assert permits == [(Lane.INTERACTIVE, job_id)]


def test_after_an_outage_workers_get_the_time_of_a_heartbeat(
    memory_store: JobStore, permits: list[tuple[Lane, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a reaper that saw Redis away, and a lease that ran out meanwhile
    class Flaky:
        client, keys = memory_store.client, memory_store.keys
        away = True

        def run(self, operation: Any) -> Any:
            if self.away:
                raise UnavailableError("away")
            return memory_store.run(operation)

    flaky = Flaky()
    reaper = make_reaper(flaky)
    lose_a_job(memory_store)
    with pytest.raises(UnavailableError):
        reaper.round()
    flaky.away = False
    # When it is back, then nothing is taken at first, and later it is
    reaper.round()
    assert permits == []
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 7)
    reaper.round()
    assert len(permits) == 1


def test_a_reaper_that_stood_still_waits_too(
    memory_store: JobStore, permits: list[tuple[Lane, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = make_reaper(memory_store)
    lose_a_job(memory_store)
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 15)
    reaper.round()
    assert permits == []


def test_missing_permits_are_sent_after_some_rounds_by_one_worker(
    memory_store: JobStore, permits: list[tuple[Lane, str]]
) -> None:
    # Given five waiting jobs and three messages
    settings = Settings()
    for _ in range(5):
        memory_store.run(operations.submit(new_job(lane=Lane.BULK), 1_000_000, 3600))
    memory_store.client.rpush(f"{settings.queue_prefix}jobs.bulk", "m1", "m2", "m3")
    first, second = make_reaper(memory_store), make_reaper(memory_store)
    # When two workers look for some rounds, then two permits are sent, once
    for _ in range(2):
        first.round()
        second.round()
    assert permits == []
    first.round()
    second.round()
    assert [lane for lane, _ in permits] == [Lane.BULK] * 2


class Clock:
    def __init__(self) -> None:
        self.exits: list[int] = []

    def watchdog(self, store: JobStore, **loop: Any) -> Watchdog:
        state: Any = SimpleNamespace(**{"step_started_s": None, "failure": None, "rows": 0} | loop)
        return Watchdog(state, store, (Lane.INTERACTIVE,), 5.0, 0.05, self.exits.append)


def test_a_stalled_step_ends_the_process(memory_store: JobStore) -> None:
    clock = Clock()
    clock.watchdog(memory_store, step_started_s=time.monotonic() - 4, rows=1).round()
    assert clock.exits == []
    clock.watchdog(memory_store, step_started_s=time.monotonic() - 6, rows=1).round()
    assert clock.exits == [EXIT_STALLED]


def test_a_dead_loop_ends_the_process(memory_store: JobStore) -> None:
    clock = Clock()
    clock.watchdog(memory_store, failure=MemoryError(), rows=1).round()
    assert clock.exits == [EXIT_STALLED]


def test_an_idle_worker_that_hears_nothing_ends_itself(memory_store: JobStore) -> None:
    # Given an idle worker, when a job waits for longer than the limit
    clock = Clock()
    watchdog = clock.watchdog(memory_store)
    memory_store.run(operations.submit(new_job(), 1_000_000, 3600))
    watchdog.round()
    assert clock.exits == []
    time.sleep(0.1)
    watchdog.round()
    assert clock.exits == [EXIT_DEAF]


def test_neither_work_nor_an_empty_queue_counts_as_deaf(memory_store: JobStore) -> None:
    clock = Clock()
    quiet, busy, hearing = (clock.watchdog(memory_store, rows=rows) for rows in (0, 2, 0))
    time.sleep(0.1)
    quiet.round()
    memory_store.run(operations.submit(new_job(), 1_000_000, 3600))
    time.sleep(0.1)
    busy.round()
    hearing.note_permit()
    hearing.round()
    assert clock.exits == []


def test_the_time_of_an_outage_does_not_count_as_deaf(memory_store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an idle worker, a job that waits, and a look while Redis is away
    class Flaky:
        away = True

        def run(self, operation: Any) -> Any:
            if self.away:
                raise UnavailableError("away")
            return memory_store.run(operation)

    clock, flaky = Clock(), Flaky()
    store: Any = flaky
    watchdog = clock.watchdog(store)
    memory_store.run(operations.submit(new_job(), 1_000_000, 3600))
    time.sleep(0.1)
    with pytest.raises(UnavailableError):
        watchdog.round()
    # When Redis is back, then the worker gets the whole time to hear of the job, and no more
    flaky.away = False
    back_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: back_s + 0.02)
    watchdog.round()
    assert clock.exits == []
    monkeypatch.setattr(time, "monotonic", lambda: back_s + 0.1)
    watchdog.round()
    assert clock.exits == [EXIT_DEAF]


def test_an_outage_shorter_than_the_limit_is_seen_too(memory_store: JobStore) -> None:
    """Given a worker idle for less than the limit, when Redis is away, then a look notices."""

    class Away:
        def run(self, _operation: Any) -> Any:
            raise UnavailableError("away")

    store: Any = Away()
    with pytest.raises(UnavailableError):
        Clock().watchdog(store).round()


def test_the_rate_counts_busy_time_only_and_forgets_the_past() -> None:
    meter = RateMeter(window_s=10)
    assert meter.tokens_per_second is None
    for _ in range(20):
        meter.record(100, 1.0)
    assert meter.tokens_per_second == pytest.approx(100)
    for _ in range(20):
        meter.record(300, 1.0)
    assert meter.tokens_per_second == pytest.approx(300)
