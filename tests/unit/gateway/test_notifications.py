"""Who is woken by what."""

import asyncio
from contextlib import suppress

import fakeredis

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
        # Both are woken once when the subscription begins.
        await asyncio.gather(poll.wait(TIMEOUT_S), stream.wait(TIMEOUT_S))
        polling = asyncio.create_task(poll.wait(60))
        await client.publish(KEYS.text_channel, "j1")
        await asyncio.wait_for(stream.wait(60), TIMEOUT_S)
        assert not polling.done()
        await client.publish(KEYS.notify_channel, "j1")
        await asyncio.wait_for(asyncio.gather(polling, stream.wait(60)), TIMEOUT_S)
    notifications.stop()
    follower.cancel()
    with suppress(asyncio.CancelledError):
        await follower
