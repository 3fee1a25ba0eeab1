"""Who is woken by what."""

import asyncio
from contextlib import suppress

import fakeredis
import pytest

from api import notifications as notifications_module
from api.notifications import Notifications
from common.keys import Keys
from common.store import AsyncJobStore

KEYS = Keys("test")
TIMEOUT_S = 5


async def test_text_wakes_streams_and_changes_wake_everybody() -> None:
    """Given a stream and a long poll of a job, when text is written, then the poll sleeps on until the job changes."""
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    notifications = Notifications(AsyncJobStore(client, KEYS), 10, 10)
    follower = asyncio.create_task(notifications.run())
    with notifications.listen("j1") as poll, notifications.stream("j1", "alice") as stream:
        # Both are woken when a subscription begins.
        while await subscribers(client) < 2:
            await asyncio.gather(poll.wait(TIMEOUT_S), stream.wait(TIMEOUT_S))
        polling = asyncio.create_task(poll.wait(60))
        await client.publish(KEYS.text_channel, "j1")
        await asyncio.wait_for(stream.wait(60), TIMEOUT_S)
        assert not polling.done()
        await client.publish(KEYS.notify_channel, "j1")
        await asyncio.wait_for(asyncio.gather(polling, stream.wait(60)), TIMEOUT_S)
    await end(notifications, follower)


async def test_text_is_listened_to_only_while_a_stream_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no stream, then nobody hears of text; given one, then it does, until the last has ended."""
    monkeypatch.setattr(notifications_module, "READ_TIMEOUT_S", 0.05)
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    notifications = Notifications(AsyncJobStore(client, KEYS), 10, 10)
    follower = asyncio.create_task(notifications.run())
    with notifications.listen("j1") as poll:
        await poll.wait(TIMEOUT_S)
        assert await client.publish(KEYS.text_channel, "j1") == 0
        for _ in range(2):
            with notifications.stream("j1", "alice") as stream, notifications.stream("j1", "bob"):
                async with asyncio.timeout(TIMEOUT_S):
                    while await client.publish(KEYS.text_channel, "j1") == 0:
                        await stream.wait(0.05)
            async with asyncio.timeout(TIMEOUT_S):
                while await client.publish(KEYS.text_channel, "j1"):
                    await poll.wait(0.01)
    await end(notifications, follower)


async def subscribers(client: fakeredis.FakeAsyncRedis) -> int:
    """Count the subscriptions to both channels."""
    counts: list[tuple[str, int]] = await client.pubsub_numsub(KEYS.notify_channel, KEYS.text_channel)
    return sum(count for _, count in counts)


async def end(notifications: Notifications, follower: asyncio.Task[None]) -> None:
    notifications.stop()
    follower.cancel()
    with suppress(asyncio.CancelledError):
        await follower
