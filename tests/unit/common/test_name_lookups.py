"""Look-ups of webhook hosts: a name that hangs costs those who wait for it, and nobody else."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest

from common.errors import WebhookTargetError
from common.name_lookups import NameLookups
from common.webhook_targets import TargetPolicy, parse_target
from tests.support.notified_jobs import PUBLIC

POLICY = TargetPolicy()
TIMEOUT_S = 0.2
WELL_WITHIN_S = 30.0


class Resolver:
    """Resolves every name, those that begin with `slow` only once released."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.released = threading.Event()

    def __call__(self, host: str, _port: int) -> tuple[str, ...]:
        self.asked[host] += 1
        if host.startswith("slow"):
            self.released.wait(WELL_WITHIN_S)
        return (PUBLIC,)


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.released.set()


async def look_up(names: NameLookups, host: str) -> tuple[str, ...]:
    return await names.allowed_addresses(parse_target(f"https://{host}/done", POLICY), POLICY)


async def found_at_last(names: NameLookups, host: str) -> tuple[str, ...]:
    async with asyncio.timeout(WELL_WITHIN_S):
        while True:
            with suppress(WebhookTargetError):
                return await look_up(names, host)


async def under_way(resolver: Resolver, *hosts: str) -> None:
    """Return once each of these names is being looked up."""
    async with asyncio.timeout(WELL_WITHIN_S):
        while True:
            if all(resolver.asked[host] for host in hosts):
                return
            await asyncio.sleep(0.005)


async def test_a_name_that_hangs_is_given_up(resolver: Resolver) -> None:
    """Given a name that hangs, when its time is over, then the refusal names it and the time."""
    with pytest.raises(WebhookTargetError, match=r"'slow\.example' was not resolved within 0\.2 s"):
        await look_up(NameLookups(resolver, TIMEOUT_S), "slow.example")


async def test_slow_names_delay_no_other(resolver: Resolver) -> None:
    """Given more hanging names than the loop's own pool has threads, when a good one is asked, then it is found."""
    names = NameLookups(resolver, WELL_WITHIN_S)
    slow = [f"slow{number}.example" for number in range(50)]
    waiting = asyncio.gather(*(look_up(names, host) for host in slow))
    await under_way(resolver, *slow)
    assert await look_up(names, "good.example") == (PUBLIC,)
    assert not waiting.done()
    resolver.released.set()
    assert await waiting == [(PUBLIC,)] * 50


async def test_a_name_is_looked_up_once_for_all_who_wait(resolver: Resolver) -> None:
    """Given many who ask for one name, when one of them gives up, then one look-up still answers the others."""
    names = NameLookups(resolver, WELL_WITHIN_S)
    first, *others = (asyncio.create_task(look_up(names, "slow.example")) for _ in range(20))
    await under_way(resolver, "slow.example")
    first.cancel()
    await asyncio.wait([first])
    resolver.released.set()
    assert await asyncio.gather(*others) == [(PUBLIC,)] * 19
    assert resolver.asked["slow.example"] == 1
    # When it is asked for once more, then it is looked up anew
    await look_up(names, "slow.example")
    assert resolver.asked["slow.example"] == 2


async def test_only_so_many_look_ups_are_under_way(resolver: Resolver) -> None:
    """Given as many hanging look-ups as there may be, when another name is asked, then it waits for a place."""
    names = NameLookups(resolver, TIMEOUT_S, most=2)
    slow = ["slow1.example", "slow2.example"]
    await asyncio.gather(*(look_up(names, host) for host in slow), return_exceptions=True)
    # Those that nobody waits for any more keep their places
    with pytest.raises(WebhookTargetError, match="not resolved within"):
        await look_up(names, "good.example")
    assert resolver.asked == Counter(slow)
    resolver.released.set()
    assert await found_at_last(names, "good.example") == (PUBLIC,)
