"""A chat's answer as OpenAI's stream of chunks, made from the job's event log."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from anyio import CancelScope
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.types import Receive, Scope, Send

from api.chat_service import ChatService
from api.errors import openai_error_of
from api.notifications import Notifications
from api.sent_text import SentText
from api.service import JobService
from api.settings import ApiSettings
from api.streaming import OUTAGE_PAUSE_S, PAGE_EVENTS, EventStreams, frame, stream_options
from api.unanswered import WaitOverError, answer_of
from common.completions import END_OF_STREAM, Chunks
from common.errors import FinanceLLMError, UnavailableError
from common.events import BEFORE_FIRST, EventType, JobEvent
from common.jobs import Job
from common.protocol import ChatCompletionRequest
from common.telemetry import GatewayMetrics, get_logger

log = get_logger(__name__)


class ChatStreamResponse(EventSourceResponse):
    """A stream that calls `abandon` if its client leaves before the end."""

    def __init__(
        self, content: AsyncIterator[ServerSentEvent], abandon: Callable[[], Awaitable[None]], **options: Any
    ) -> None:
        super().__init__(self._watched(content), **options)
        self._abandon = abandon
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._complete:
                with CancelScope(shield=True):
                    await self._abandon()

    async def _watched(self, content: AsyncIterator[ServerSentEvent]) -> AsyncIterator[ServerSentEvent]:
        async for event in content:
            yield event
        self._complete = True


class ChatStreams:
    """Opens streams of chunks."""

    def __init__(
        self,
        settings: ApiSettings,
        jobs: JobService,
        chats: ChatService,
        streams: EventStreams,
        notifications: Notifications,
        metrics: GatewayMetrics,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._chats = chats
        self._streams = streams
        self._notifications = notifications
        self._metrics = metrics

    async def open(self, caller: str, chat: ChatCompletionRequest, idempotency_key: str | None) -> EventSourceResponse:
        """Queue a chat and return the stream of its answer; what speaks against it is raised before anything is sent.

        A job whose client leaves is cancelled, unless an Idempotency-Key lets the client ask for it again.
        """
        self._notifications.check_stream_room(caller)
        job = (await self._chats.submit(caller, chat, idempotency_key)).described.job

        async def abandon() -> None:
            if idempotency_key is None:
                await self._chats.abandon(caller, job.id)

        chunks = Chunks(job.id, job.created_at_ms, chat.model, chat.include_usage)
        return ChatStreamResponse(self._frames(job, chunks), abandon, **stream_options(self._settings))

    async def _frames(self, job: Job, chunks: Chunks) -> AsyncIterator[ServerSentEvent]:
        sent = SentText(job.id)
        yield frame(chunks.opening())
        try:
            async with aclosing(self._events(job)) as events:
                async for event in events:
                    if event.type is EventType.REQUEUED:
                        sent.restart()
                    if event.type is EventType.TOKEN and (new := sent.add(event.data)):
                        yield frame(chunks.text(new))
            result = answer_of((await self._jobs.get(job.caller, job.id)).job)
            if rest := sent.rest(result.text):
                yield frame(chunks.text(rest))
        except FinanceLLMError as error:
            log.warning("chat_stream_failed", job_id=job.id, code=error.code, reason=error.message)
            yield frame(f'{{"error":{openai_error_of(error).model_dump_json()}}}')
            return
        yield frame(chunks.closing(result))
        if chunks.include_usage:
            yield frame(chunks.usage(result))
        yield frame(END_OF_STREAM)

    async def _events(self, job: Job) -> AsyncGenerator[JobEvent]:
        """Yield a job's events up to its last; raises WaitOverError or UnavailableError where they go on without us."""
        lifetime_s = self._settings.event_stream_lifetime_s
        until_s = time.monotonic() + lifetime_s
        after = BEFORE_FIRST
        listening = self._notifications.stream(job.id, job.caller)
        with listening as listener, self._metrics.event_listeners.track_inprogress():
            while (left_s := until_s - time.monotonic()) > 0:
                try:
                    events = await self._streams.read(job.id, after)
                except UnavailableError:
                    await listener.wait(OUTAGE_PAUSE_S)
                    continue
                for event in events:
                    yield event
                    after = event.id
                    if event.type.is_terminal:
                        return
                if self._notifications.stopping:
                    raise WaitOverError(job.id, lifetime_s - left_s)
                if len(events) < PAGE_EVENTS:
                    await listener.wait(min(left_s, self._settings.notice_poll_s))
        raise WaitOverError(job.id, lifetime_s)
