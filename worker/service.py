"""A worker's parts, put together, started and stopped in order."""

import os
import threading
import time

from celery import Celery

from common import operations
from common.errors import UnavailableError
from common.files import FileStore
from common.jobs import Lane
from common.overviews import WorkerInfo
from common.store import JobStore
from common.telemetry import get_logger
from worker.background import Periodic
from worker.bulk.assembly import make_feeder
from worker.documents import DocumentReader
from worker.engine.loop import EngineLoop
from worker.engine.registry import choose_engine, engine_builder, tokenizer_for
from worker.lease import CancelListener, LeaseKeeper
from worker.metrics import serve_metrics
from worker.model import ServedModel
from worker.progress import ProgressWriter
from worker.quarantine import QuarantineGate
from worker.reaper import Reaper
from worker.retrieval.library import Library
from worker.retrieval.limits import ParseLimits
from worker.runner import JobRunner
from worker.settings import WorkerSettings
from worker.tracing import JobTracer
from worker.watchdog import Watchdog
from worker.webhooks import WebhookSender

logger = get_logger("worker")

WATCHDOG_INTERVAL_S = 1.0
WEBHOOK_INTERVAL_S = 0.5
DOCUMENTS_INTERVAL_S = 0.5
DRAIN_POLL_S = 0.05
# After the jobs are handed back nothing is left that may take long; a hanging connection must not keep the process.
LONGEST_GOODBYE_S = 10.0


class WorkerService:
    """One resident model and everything that feeds and guards it."""

    def __init__(self, settings: WorkerSettings, celery: Celery, store: JobStore) -> None:
        self._settings = settings
        self._store = store
        engine_name = choose_engine(settings)
        self._model = ServedModel.of(settings, engine_name)
        started_s = time.monotonic()
        with self._model.verified():
            tokenizer = tokenizer_for(settings, engine_name)
            self._loop = EngineLoop(engine_builder(settings, engine_name), tokenizer, self._note_step)
        # Not before the model is there: a platform takes the first answer for readiness.
        self._metrics = serve_metrics(settings)
        self._metrics.rows.set_function(lambda: self._loop.rows)
        logger.info("engine ready", engine=engine_name, seconds=round(time.monotonic() - started_s, 2))
        self._keeper = LeaseKeeper(store, settings.lease_ttl_ms, self._describe)
        self._gate = QuarantineGate(settings.suspect_after_losses)
        progress = ProgressWriter(store, self._keeper)
        self._runner = JobRunner(
            store, celery, settings, self._loop, tokenizer, self._gate, self._keeper, progress, self._metrics,
            self._model.revision, JobTracer(self._model.name),
        )  # fmt: skip
        self._watchdog = Watchdog(self._loop, store, settings.lanes, settings.stall_timeout_s, settings.deaf_timeout_s)
        self._cancels = CancelListener(store, self._keeper)
        self._draining = threading.Event()
        files = FileStore.from_settings(settings)
        library = Library(files, ParseLimits(max_bytes=settings.max_document_bytes))
        self._documents = DocumentReader(store, files, library, settings)
        # Never waited for: once closed, what it still reads is dropped.
        self._reading = Periodic("documents", DOCUMENTS_INTERVAL_S, self._documents.round)
        self._feeder = make_feeder(
            store, celery, settings, tokenizer, self._loop.engine.capabilities.max_row_tokens, self._metrics.bulk
        )
        self._threads = [
            Periodic("heartbeat", settings.heartbeat_interval_ms / 1000, self._keeper.beat),
            Periodic("progress", settings.progress_interval_ms / 1000, progress.flush),
            Periodic("reaper", settings.reaper_interval_ms / 1000, Reaper(store, celery, settings).round),
            Periodic("webhooks", WEBHOOK_INTERVAL_S, WebhookSender(store, settings).round),
            Periodic("document-lease", settings.heartbeat_interval_ms / 1000, self._documents.renew),
            Periodic("watchdog", WATCHDOG_INTERVAL_S, self._watchdog.round),
        ]

    def start(self) -> None:
        """Start the guards; jobs may come from now on."""
        self._cancels.start()
        for thread in (*self._threads, self._reading):
            thread.start()
        if Lane.BULK in self._settings.lanes:
            self._feeder.start()

    @property
    def draining(self) -> bool:
        """Whether no new job is taken."""
        return self._draining.is_set()

    def run_next(self, lane: Lane) -> bool:
        """Run one job of a lane; False if none waited or this worker takes no more."""
        self._watchdog.note_permit()
        return self._runner.run_next(lane)

    def drain(self) -> None:
        """Take no new jobs; after the drain time, or when called again, hand back what still runs."""
        if self._draining.is_set():
            self._keeper.release_all()
            return
        self._draining.set()
        self._gate.close()
        self._documents.close()
        # Runs pass on at once; their jobs under way here may use the drain time.
        self._feeder.drain()
        logger.info("draining", running=len(self._keeper.held()), drain_s=self._settings.drain_s)
        threading.Thread(target=self._hand_back_late, name="drain", daemon=True).start()

    def stop(self) -> None:
        """Stop everything and say goodbye."""
        self._draining.set()
        self._gate.close()
        self._documents.close()
        self._feeder.stop()
        self._loop.close()
        for thread in self._threads:
            thread.stop()
        self._cancels.stop()
        try:
            self._store.run(operations.retire_worker(self._settings.worker_name))
        except UnavailableError as error:
            logger.warning("could not sign off", reason=error.message)
        logger.info("worker stopped")

    def _hand_back_late(self) -> None:
        deadline_s = time.monotonic() + self._settings.drain_s
        while self._keeper.held() and time.monotonic() < deadline_s:
            time.sleep(DRAIN_POLL_S)
        self._keeper.release_all()
        time.sleep(LONGEST_GOODBYE_S)
        logger.warning("not everything ended in time; leaving all the same", running=len(self._keeper.held()))
        os._exit(0)

    def _note_step(self, seconds: float) -> None:
        self._metrics.step_seconds.observe(seconds)

    def _describe(self, running: int) -> WorkerInfo:
        capabilities = self._loop.engine.capabilities
        return WorkerInfo(
            name=self._settings.worker_name,
            engine=capabilities.name,
            model=self._model.name,
            model_revision=self._model.revision,
            lanes=tuple(lane.value for lane in self._settings.lanes),
            max_rows=capabilities.max_rows,
            running=min(running, capabilities.max_rows),  # a job ahead does not run yet
            max_row_tokens=capabilities.max_row_tokens,
            tokens_per_second=self._loop.rate.tokens_per_second,
            draining=self._draining.is_set(),
        )
