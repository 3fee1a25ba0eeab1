"""Redis subscriptions that wake whoever waits for a job in this process; text is listened to only while it streams."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import redis

from common.errors import TooManyStreamsError, UnavailableError
from common.store import AsyncJobStore
from common.telemetry import get_logger

RECONNECT_DELAY_S = 0.5
READ_TIMEOUT_S = 5.0
# Nobody knows when a stream ends; one that waits for a short answer is gone by then.
STREAM_RETRY_S = 5

log = get_logger(__name__)


class Listener:
    """Somebody waiting for news of one job from some channels."""

    def __init__(self, channels: frozenset[str]) -> None:
        self.channels = channels
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Tell that something may have changed."""
        self._news.set()

    async def wait(self, timeout_s: float) -> None:
        """Return at the next news or after the timeout; read the job after this returns, never before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        self._news.clear()


class Notifications:
    """Listeners by job id.

    A notice may be lost while the subscription is down; every listener is woken when it is back, and all of them look
    for themselves now and then.
    """

    def __init__(self, store: AsyncJobStore, most_listeners: int, most_caller_streams: int) -> None:
        self._store = store
        self._changes = frozenset({store.keys.notify_channel})
        self._all = self._changes | {store.keys.text_channel}
        self._most_listeners = most_listeners
        self._most_caller_streams = most_caller_streams
        self._streams: Counter[str] = Counter()
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        self._count = 0
        self._always = asyncio.Event()
        self._always.set()
        self._streaming = asyncio.Event()
        self.stopping = False

    def check_room(self) -> None:
        """Raise UnavailableError when too many listen already."""
        if self._count >= self._most_listeners:
            raise UnavailableError(f"{self._count} event streams and long polls are open, which is the limit.")

    def check_stream_room(self, caller: str) -> None:
        """Raise TooManyStreamsError for a caller with enough event streams, UnavailableError when too many listen."""
        if self._streams[caller] >= self._most_caller_streams:
            raise TooManyStreamsError(
                f"{self._streams[caller]} event streams of yours are open here, and you may have no more. Close one, "
                f"or try again in {STREAM_RETRY_S} s.",
                STREAM_RETRY_S,
            )
        self.check_room()

    @contextmanager
    def listen(self, job_id: str) -> Iterator[Listener]:
        """Register for changes of a job's state; raises UnavailableError when too many listen already."""
        with self._registered(job_id, Listener(self._changes)) as listener:
            yield listener

    @contextmanager
    def _registered(self, job_id: str, listener: Listener) -> Iterator[Listener]:
        self.check_room()
        self._listeners[job_id].add(listener)
        self._count += 1
        try:
            yield listener
        finally:
            self._count -= 1
            self._listeners[job_id].discard(listener)
            if not self._listeners[job_id]:
                del self._listeners[job_id]

    @contextmanager
    def stream(self, job_id: str, caller: str) -> Iterator[Listener]:
        """Listen for all of a job's news as an event stream of a caller, which counts until it ends."""
        with self._registered(job_id, Listener(self._all)) as listener:
            self._streams[caller] += 1
            self._streaming.set()
            try:
                yield listener
            finally:
                self._streams[caller] -= 1
                if not self._streams[caller]:
                    del self._streams[caller]
                if not self._streams and not self.stopping:
                    self._streaming.clear()

    def stop(self) -> None:
        """Wake everyone for the last time: the process is about to end."""
        self.stopping = True
        self._streaming.set()
        self._wake_all()

    async def run(self) -> None:
        """Pass notices on until stopped and cancelled."""
        await asyncio.gather(
            self._pass_on(self._store.keys.notify_channel, self._always),
            # Workers tell of new text many times a second, which costs a gateway without streams for nothing.
            self._pass_on(self._store.keys.text_channel, self._streaming),
        )

    async def _pass_on(self, channel: str, wanted: asyncio.Event) -> None:
        while not self.stopping:
            await wanted.wait()
            try:
                await self._follow(channel, wanted)
            except (redis.RedisError, OSError) as error:
                log.warning("notifications_lost", reason=str(error))
                await asyncio.sleep(RECONNECT_DELAY_S)

    async def _follow(self, channel: str, wanted: asyncio.Event) -> None:
        async with self._store.client.pubsub() as subscription:
            await subscription.subscribe(channel)
            # A message that arrives just then may swallow the cancellation, so the flag counts as well.
            while wanted.is_set() and not self.stopping:
                message = await subscription.get_message(timeout=READ_TIMEOUT_S)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    # The first time or again: what was told before nobody has heard.
                    self._wake_all()
                else:
                    self._wake(message["data"], channel)
            await subscription.unsubscribe(channel)

    def _wake(self, job_id: str, channel: str) -> None:
        for listener in self._listeners.get(job_id, ()):
            if channel in listener.channels:
                listener.wake()

    def _wake_all(self) -> None:
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.wake()
