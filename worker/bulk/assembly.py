"""The feeder of a worker, put together from what the worker has."""

import time

from celery import Celery

from common.errors import UnavailableError
from common.files import FileStore
from common.jobs import GenerateRequest, Lane
from common.queue import send_permit
from common.run_operations import Record
from common.store import JobStore
from common.telemetry import BulkMetrics, get_logger
from worker.bulk.feed import FeedContext
from worker.bulk.feeder import BulkFeeder
from worker.bulk.window import Window
from worker.engine.text import Tokenizer
from worker.settings import WorkerSettings

logger = get_logger("bulk")


def make_feeder(
    store: JobStore,
    celery: Celery,
    settings: WorkerSettings,
    tokenizer: Tokenizer,
    most_row_tokens: int,
    metrics: BulkMetrics,
) -> BulkFeeder:
    """Build a feeder that queues jobs for all workers and counts what it records."""
    files = FileStore.from_settings(settings)
    window = Window(store)

    def count_tokens(request: GenerateRequest) -> int:
        return len(tokenizer.encode_chat(request.messages))

    def send(job_id: str) -> None:
        try:
            send_permit(celery, Lane.BULK, job_id)
        except UnavailableError as error:
            # The reaper sends another for the job that waits.
            logger.warning("permit not sent", job_id=job_id, reason=error.message)

    def note(record: Record) -> None:
        metrics.items.labels("completed").inc(record.completed)
        metrics.items.labels("failed").inc(record.failed)

    context = FeedContext(
        store=store,
        files=files,
        count_tokens=count_tokens,
        limit_tokens=min(settings.max_job_tokens, most_row_tokens),
        max_backlog_tokens=settings.max_backlog_tokens,
        share=lambda: window.share(feeder.running()),
        send_permit=send,
        note_record=note,
        wait=time.sleep,
    )
    feeder = BulkFeeder(store, files, settings, context, metrics)
    return feeder
