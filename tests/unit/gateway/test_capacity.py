"""Retry times from measured rates, and the cached overview."""

import asyncio

import fakeredis
import pytest

from api import capacity
from api.capacity import Capacity, retry_after_s
from common.errors import UnavailableError
from common.keys import Keys
from common.operations import heartbeat
from common.store import AsyncJobStore, JobStore
from tests.support.values import WORKER


class Clock:
    """Time that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        monkeypatch.setattr(capacity, "monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The module's clock in the test's hands."""
    return Clock(monkeypatch)


def test_waits_for_a_job_are_whole_seconds_within_bounds() -> None:
    """Given expected times, when a wait is told, then it is at least a second and at most an hour."""
    assert (retry_after_s(None), retry_after_s(0.2), retry_after_s(7.1), retry_after_s(1e9)) == (1, 1, 8, 3600)


async def test_the_overview_is_read_once_a_second_at_most(
    redis_server: fakeredis.FakeServer, worker_store: JobStore, clock: Clock
) -> None:
    """Given many requests in a second, when they ask, then Redis is read once; later it is read again behind them."""
    async with fakeredis.FakeAsyncRedis(server=redis_server, decode_responses=True) as client:
        cached = Capacity(AsyncJobStore(client, Keys("test")))
        assert not (await cached.overview()).workers
        worker_store.run(heartbeat(WORKER, 1_000, []))
        clock.now_s += 0.5
        assert not (await cached.overview()).workers
        clock.now_s += 1
        assert not (await cached.overview()).workers
        await asyncio.sleep(0.05)
        assert len((await cached.overview()).workers) == 1


async def test_an_old_overview_is_not_used_when_redis_is_away(redis_server: fakeredis.FakeServer, clock: Clock) -> None:
    """Given an overview of a minute ago and no Redis, when asked, then the error is told instead of the old state."""
    async with fakeredis.FakeAsyncRedis(server=redis_server, decode_responses=True) as client:
        cached = Capacity(AsyncJobStore(client, Keys("test")))
        await cached.overview()
        redis_server.connected = False
        clock.now_s += 5
        await cached.overview()
        await asyncio.sleep(0.05)
        clock.now_s += 60
        with pytest.raises(UnavailableError):
            await cached.overview()
