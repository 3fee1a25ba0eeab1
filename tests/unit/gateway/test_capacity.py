"""Retry times from measured rates, and the cached overview."""

import asyncio

import fakeredis
import pytest

from api import capacity
from api.capacity import Capacity, Turns, retry_after_s
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


def test_the_wait_is_the_time_that_frees_the_room(clock: Clock) -> None:
    """Given 300 tokens too many at 100 tokens per second, when refused, then the wait is 3 s."""
    assert Turns().retry_after_s(500, 1_000, 1_200, 100.0) == 3


def test_clients_refused_together_come_back_one_after_the_other(clock: Clock) -> None:
    """Given a full queue, when several are refused at once, then each is told a later time within the drain."""
    turns = Turns()
    waits = [turns.retry_after_s(200, 1_000, 1_000, 100.0) for _ in range(7)]
    assert waits == [2, 4, 6, 8, 10, 10, 10]


def test_promises_pass_with_time(clock: Clock) -> None:
    """Given promises that have passed, when someone is refused, then only the present overflow counts."""
    turns = Turns()
    for _ in range(5):
        turns.retry_after_s(200, 1_000, 1_000, 100.0)
    clock.now_s += 60
    assert turns.retry_after_s(200, 1_000, 1_000, 100.0) == 2


def test_a_client_that_obeys_gets_in(clock: Clock) -> None:
    """Given a drain at the measured rate, when refused clients return as told, then each finds room."""
    turns = Turns()
    rate, limit, cost = 100.0, 1_000.0, 200
    backlog, at_s = limit, clock.now_s
    promised = sorted(clock.now_s + turns.retry_after_s(cost, int(backlog), int(limit), rate) for _ in range(5))
    for return_s in promised:
        backlog, at_s = max(0.0, backlog - rate * (return_s - at_s)), return_s
        assert backlog + cost <= limit
        backlog += cost


def test_without_a_rate_a_fixed_wait_is_told() -> None:
    """Given no measured rate, when asked, then the answer is the documented constant, or a second for a job."""
    assert Turns().retry_after_s(1, 1, 1, None) == capacity.UNMEASURED_RETRY_S
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
