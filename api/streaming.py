"""A job's event log as server-sent events, resumable from any event."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent

from api.job_views import job_view, timestamp
from api.notifications import Notifications
from api.service import JobService
from api.settings import ApiSettings
from common.errors import NotFoundError, UnavailableError
from common.events import BEFORE_FIRST, JobEvent, events_from_entries
from common.operations import DescribedJob
from common.store import AsyncJobStore, translated_errors
from common.telemetry import GatewayMetrics

PAGE_EVENTS = 500
RECONNECT_MS = 1_000
OUTAGE_PAUSE_S = 1.0
SEND_TIMEOUT_S = 30.0
# The library ends streams on its own at shutdown; ours say so first.
SHUTDOWN_GRACE_S = 2.0

frame = partial(ServerSentEvent, sep="\n")

RECONNECT_HINT = "reconnect with Last-Event-ID to go on"


class EventStreams:
    """Opens event streams."""

    def __init__(
        self,
        settings: ApiSettings,
        store: AsyncJobStore,
        service: JobService,
        notifications: Notifications,
        metrics: GatewayMetrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._service = service
        self._notifications = notifications
        self._metrics = metrics

    async def open(self, caller: str, job_id: str, last_event_id: str | None) -> EventSourceResponse | None:
        """Return a stream of the events after `last_event_id`, or None if the job ended and they were all seen.

        Raises NotFoundError, TooManyStreamsError and UnavailableError before anything is sent.
        """
        after = last_event_id or BEFORE_FIRST
        described = await self._service.get(caller, job_id)
        if described.job.status.is_terminal and not await self.read(job_id, after):
            return None
        self._notifications.check_stream_room(caller)
        return EventSourceResponse(
            self._follow(caller, job_id, after),
            **stream_options(self._settings),
        )

    async def read(self, job_id: str, after: str) -> list[JobEvent]:
        """Return the next events after one, at most a page of them; raises UnavailableError."""
        with translated_errors():
            entries: Sequence[Any] = await self._store.client.xrange(
                self._store.keys.events(job_id), f"({after}", "+", PAGE_EVENTS
            )
        return events_from_entries(entries)

    async def _follow(self, caller: str, job_id: str, after: str) -> AsyncIterator[ServerSentEvent]:
        until_s = time.monotonic() + self._settings.event_stream_lifetime_s
        with self._notifications.stream(job_id, caller) as listener, self._metrics.event_listeners.track_inprogress():
            yield frame(retry=RECONNECT_MS)
            while True:
                try:
                    events = await self.read(job_id, after)
                    for event in events:
                        yield await self._message(caller, job_id, event)
                        after = event.id
                        if event.type.is_terminal:
                            return
                except UnavailableError:
                    await listener.wait(OUTAGE_PAUSE_S)
                    events = []
                except NotFoundError:
                    yield frame(comment="the job was deleted after its time of keeping")
                    return
                if self._notifications.stopping:
                    yield frame(comment=f"the server is going down; {RECONNECT_HINT}")
                    return
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    yield frame(comment=f"this stream reached its lifetime; {RECONNECT_HINT}")
                    return
                if len(events) < PAGE_EVENTS:
                    await listener.wait(min(left_s, self._settings.notice_poll_s))

    async def _message(self, caller: str, job_id: str, event: JobEvent) -> ServerSentEvent:
        data: dict[str, Any] = {"job_id": job_id, "at": timestamp(event.at_ms), **event.data}
        if event.type.is_terminal:
            data["job"] = _view(await self._service.get(caller, job_id))
        return frame(json.dumps(data), event=event.type, id=event.id)


def stream_options(settings: ApiSettings) -> dict[str, Any]:
    """Return what every stream of server-sent events is opened with."""
    return {
        "ping": settings.heartbeat_s,
        "ping_message_factory": _heartbeat,
        "send_timeout": SEND_TIMEOUT_S,
        "shutdown_grace_period": SHUTDOWN_GRACE_S,
        "sep": "\n",
    }


def _view(described: DescribedJob) -> dict[str, Any]:
    return job_view(described.job, described.place).model_dump(mode="json")


def _heartbeat() -> ServerSentEvent:
    return frame(comment="still here")
