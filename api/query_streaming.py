"""A query as server-sent events: progress, documents, rows, and one last event; resumable after any row.

An event's id counts the rows sent: answers, then rows without one. Rows of each kind keep their order for good.
"""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent

from api.collection_schemas import document_view
from api.collection_service import CollectionService
from api.notifications import Notifications
from api.query_schemas import QueryStatus, query_status, query_view
from api.query_service import DescribedQuery, QueryService
from api.settings import ApiSettings
from api.streaming import OUTAGE_PAUSE_S, RECONNECT_HINT, RECONNECT_MS, SEND_TIMEOUT_S, SHUTDOWN_GRACE_S
from common.bulk import RunStream
from common.errors import NotFoundError, UnavailableError

_ROWS_A_READ = 200
_DOCUMENTS_A_READ = 1_000


class QueryStreams:
    """Opens event streams of queries."""

    def __init__(
        self,
        settings: ApiSettings,
        queries: QueryService,
        collections: CollectionService,
        notifications: Notifications,
    ) -> None:
        self._settings = settings
        self._queries = queries
        self._collections = collections
        self._notifications = notifications

    async def open(
        self, caller: str, collection_id: str, query_id: str, last_event_id: str | None
    ) -> EventSourceResponse:
        """Return a stream of what follows the event seen last.

        Raises NotFoundError, TooManyStreamsError and UnavailableError before anything is sent.
        """
        await self._queries.get(caller, collection_id, query_id)
        self._notifications.check_stream_room(caller)
        seen = [int(part) for part in (last_event_id or "0-0").split("-")]
        return EventSourceResponse(
            self._follow(_Follower(caller, collection_id, query_id, seen[0], seen[1])),
            ping=self._settings.heartbeat_s,
            ping_message_factory=lambda: _frame(comment="still here"),
            send_timeout=SEND_TIMEOUT_S,
            shutdown_grace_period=SHUTDOWN_GRACE_S,
            sep="\n",
        )

    async def _follow(self, at: "_Follower") -> AsyncIterator[ServerSentEvent]:
        until_s = time.monotonic() + self._settings.event_stream_lifetime_s
        with self._notifications.stream(at.query_id, at.caller) as listener:
            yield _frame(retry=RECONNECT_MS)
            while True:
                pause_s = self._settings.notice_poll_s
                try:
                    described = await self._queries.get(at.caller, at.collection_id, at.query_id)
                    async for event in self._news(at, described):
                        yield event
                    if described.run.status.is_terminal:
                        yield _frame(
                            query_view(described.run, described.counts).model_dump_json(),
                            event=query_status(described.run),
                            id=at.event_id,
                        )
                        return
                except UnavailableError:
                    pause_s = OUTAGE_PAUSE_S
                except FileNotFoundError:
                    # Parts were joined between two reads; the next look finds the whole.
                    pause_s = 0.1
                except NotFoundError:
                    yield _frame(comment="the query was deleted")
                    return
                left_s = until_s - time.monotonic()
                if self._notifications.stopping or left_s <= 0:
                    yield _frame(comment=f"this stream ends here; {RECONNECT_HINT}")
                    return
                await listener.wait(min(left_s, pause_s))

    async def _news(self, at: "_Follower", described: DescribedQuery) -> AsyncIterator[ServerSentEvent]:
        if not at.knows_documents:
            async for event in self._documents(at):
                yield event
            # Rows are planned when every document is read: what was seen after that is final.
            at.knows_documents = query_status(described.run) is not QueryStatus.QUEUED
        for stream in RunStream:
            while rows := await self._queries.finished_rows(described, stream, at.sent[stream], _ROWS_A_READ):
                for row in rows:
                    at.sent[stream] += 1
                    yield _frame(row.model_dump_json(), event="row", id=at.event_id)
        progress = {"status": query_status(described.run), "counts": described.counts.model_dump()}
        if progress != at.progress:
            at.progress = progress
            yield _frame(json.dumps(progress), event="progress", id=at.event_id)

    async def _documents(self, at: "_Follower") -> AsyncIterator[ServerSentEvent]:
        after = None
        while True:
            found, more = await self._collections.documents(at.caller, at.collection_id, after, _DOCUMENTS_A_READ)
            for document in found:
                if at.documents.get(document.id) != document.status:
                    at.documents[document.id] = document.status
                    yield _frame(document_view(document).model_dump_json(), event="document", id=at.event_id)
            if not more:
                return
            after = found[-1].id


class _Follower:
    """Whom a stream is for and what it has sent."""

    def __init__(self, caller: str, collection_id: str, query_id: str, answers: int, failures: int) -> None:
        self.caller = caller
        self.collection_id = collection_id
        self.query_id = query_id
        self.sent = {RunStream.OUTPUT: answers, RunStream.ERROR: failures}
        self.documents: dict[str, str] = {}
        self.knows_documents = False
        self.progress: dict[str, Any] | None = None

    @property
    def event_id(self) -> str:
        return f"{self.sent[RunStream.OUTPUT]}-{self.sent[RunStream.ERROR]}"


def _frame(data: str | None = None, **fields: Any) -> ServerSentEvent:
    return ServerSentEvent(data, sep="\n", **fields)
