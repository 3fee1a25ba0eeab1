"""The parts of one gateway process, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from celery import Celery
from prometheus_client import CollectorRegistry

from api.admission import Admission
from api.auth import Authenticator
from api.batch_service import BatchService
from api.capacity import Capacity
from api.chat_service import ChatService
from api.chat_stream import ChatStreams
from api.collection_service import CollectionService
from api.file_service import FileService
from api.limits import RequestLimiter
from api.notifications import Notifications
from api.permits import PermitSender, SendPermit
from api.prompt_tokens import PromptCounter, TokenizerCounter, make_counter
from api.query_rows import QueryRows
from api.query_service import QueryService
from api.query_streaming import QueryStreams
from api.report_uploads import ReportUploads
from api.service import JobService
from api.settings import ApiSettings
from api.streaming import EventStreams
from common.errors import ModelFilesError
from common.files import FileStore
from common.jobs import Lane
from common.queue import make_celery, send_permit
from common.store import AsyncJobStore
from common.telemetry import GatewayMetrics, get_logger
from common.webhook_targets import Resolver, resolve

PERMITS_CLOSE_TIMEOUT_S = 3.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything routes use; `stop` must be called before the server waits for open requests to end."""

    settings: ApiSettings
    store: AsyncJobStore
    authenticator: Authenticator
    limiter: RequestLimiter
    counter: PromptCounter
    capacity: Capacity
    permits: PermitSender
    notifications: Notifications
    service: JobService
    streams: EventStreams
    collections: CollectionService
    queries: QueryService
    query_streams: QueryStreams
    files: FileService
    batches: BatchService
    chats: ChatService
    chat_streams: ChatStreams
    metrics: GatewayMetrics

    @classmethod
    def build(
        cls,
        settings: ApiSettings,
        store: AsyncJobStore | None = None,
        send: SendPermit | None = None,
        resolver: Resolver = resolve,
    ) -> "Gateway":
        """Put the parts together; nothing connects before it is used."""
        store = store or AsyncJobStore.connect(settings)
        metrics = GatewayMetrics(CollectorRegistry())
        counter = make_counter(settings)
        capacity = Capacity(store)
        permits = PermitSender(send or _celery_sender(make_celery(settings)))
        notifications = Notifications(store, settings.max_listeners, settings.max_caller_streams)
        admission = Admission(settings, store, counter, capacity, resolver)
        blobs = FileStore.from_settings(settings)
        service = JobService(settings, store, admission, permits, notifications, metrics)
        streams = EventStreams(settings, store, service, notifications, metrics)
        chats = ChatService(settings, service, admission, capacity, notifications, metrics)
        collections = CollectionService(store, blobs, ReportUploads(settings, blobs))
        queries = QueryService(store, collections, QueryRows(blobs))
        files = FileService(settings, store, blobs)
        return cls(
            settings=settings,
            store=store,
            authenticator=Authenticator(settings.key_hashes),
            limiter=RequestLimiter(settings, store),
            counter=counter,
            capacity=capacity,
            permits=permits,
            notifications=notifications,
            service=service,
            streams=streams,
            collections=collections,
            queries=queries,
            query_streams=QueryStreams(settings, queries, collections, notifications),
            files=files,
            batches=BatchService(store, files),
            chats=chats,
            chat_streams=ChatStreams(settings, service, chats, streams, notifications, metrics),
            metrics=metrics,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what the gateway does beside answering requests."""
        self.permits.start()
        listening = asyncio.create_task(self.notifications.run(), name="notifications")
        await self._warm_up()
        try:
            yield
        finally:
            self.stop()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
            await asyncio.to_thread(self.permits.close, PERMITS_CLOSE_TIMEOUT_S)
            await self.store.close()

    def stop(self) -> None:
        """Let event streams and long polls end now."""
        self.notifications.stop()

    async def _warm_up(self) -> None:
        if not isinstance(self.counter, TokenizerCounter):
            log.warning("token_counts_are_upper_bounds", reason="the fake engine runs without a prepared tokenizer")
            return
        try:
            await self.counter.load()
        except ModelFilesError as error:
            log.warning("no_prepared_model", reason=error.message)


def _celery_sender(app: Celery) -> SendPermit:
    def send(lane: Lane, job_id: str) -> None:
        send_permit(app, lane, job_id)

    return send
