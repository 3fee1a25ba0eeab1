"""Leases bulk runs and feeds each in a thread of its own, until told to drain."""

import threading
import time
from dataclasses import dataclass, field
from typing import TypeVar

from common import run_operations
from common.bulk import BulkRun, RunStatus
from common.errors import LeaseLostError, UnavailableError
from common.files import FileStore
from common.leases import LeaseState
from common.operations import Operation
from common.run_operations import FaultKind
from common.store import JobStore
from common.telemetry import BulkMetrics, get_logger
from worker.background import Periodic
from worker.bulk.faults import fault_of
from worker.bulk.feed import FeedContext, RunFeed
from worker.bulk.janitor import Janitor
from worker.bulk.leftovers import Leftovers
from worker.bulk.sources import open_source
from worker.settings import WorkerSettings

logger = get_logger("bulk")

LOOK_INTERVAL_S = 0.5
JANITOR_INTERVAL_S = 10.0
LEFTOVERS_INTERVAL_S = 3_600.0
# A run beyond these waits until one of them has ended.
MOST_RUNS = 16
AWAY_WAIT_MS = 5_000
# A worker that the file store shuts out leaves the runs to others for so long.
CLOSED_WAIT_S = 30.0

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class HeldRun:
    """A leased run and the flag that ends its thread."""

    run: BulkRun
    lost: threading.Event = field(default_factory=threading.Event)


class BulkFeeder:
    """The bulk side of one worker."""

    def __init__(
        self, store: JobStore, files: FileStore, settings: WorkerSettings, context: FeedContext, metrics: BulkMetrics
    ) -> None:
        self._store = store
        self._files = files
        self._settings = settings
        self._context = context
        self._metrics = metrics
        self._draining = threading.Event()
        self._closed_until_s = 0.0
        self._lock = threading.Lock()
        self._held: dict[HeldRun, threading.Thread] = {}
        self._periodics = [
            Periodic("bulk-runs", LOOK_INTERVAL_S, self._take_run),
            Periodic("bulk-leases", settings.heartbeat_interval_ms / 1000, self._renew),
            Periodic("bulk-janitor", JANITOR_INTERVAL_S, Janitor(store, files).round),
            Periodic("bulk-leftovers", LEFTOVERS_INTERVAL_S, Leftovers(store, files).round),
        ]

    def start(self) -> None:
        """Start looking for runs."""
        for periodic in self._periodics:
            periodic.start()

    def drain(self) -> None:
        """Let every thread give its run back within its current step, so that another worker goes on."""
        self._draining.set()

    def stop(self) -> None:
        """Drain and wait until all runs are given back."""
        self.drain()
        self._periodics[0].stop()
        with self._lock:
            threads = list(self._held.values())
        for thread in threads:
            thread.join()
        for periodic in self._periodics[1:]:
            periodic.stop()

    def running(self) -> int:
        """Return how many runs are fed here."""
        with self._lock:
            return len(self._held)

    def _take_run(self) -> None:
        if self._draining.is_set() or self.running() >= MOST_RUNS or time.monotonic() < self._closed_until_s:
            return
        run = self._store.run(run_operations.lease_run(self._settings.lease_ttl_ms))
        if run is None:
            return
        held = HeldRun(run)
        thread = threading.Thread(target=self._feed, args=(held,), name=f"bulk-{run.id}", daemon=True)
        with self._lock:
            self._held[held] = thread
        logger.info("run leased", run_id=run.id, status=run.status.value, token=run.fencing_token)
        thread.start()

    def _renew(self) -> None:
        with self._lock:
            held = list(self._held)
        self._metrics.runs.set(len(held))
        if not held:
            return
        leases = [(one.run.id, one.run.fencing_token) for one in held]
        states = self._store.run(run_operations.renew_runs(self._settings.lease_ttl_ms, leases))
        for one, state in zip(held, states, strict=True):
            if state is LeaseState.LOST:
                one.lost.set()

    def _feed(self, held: HeldRun) -> None:
        run = held.run
        try:
            source = open_source(run, self._files, self._settings)
            status = RunFeed(self._context, run, source, lambda: self._draining.is_set() or held.lost.is_set()).work()
            self._note_end(run, status)
        except LeaseLostError as error:
            logger.info("run given back", run_id=run.id, reason=error.message)
            self._give_back(run, 0)
        except UnavailableError as error:
            # Redis, a disk without room or documents still to be read: all of them come back by themselves.
            logger.warning("run rests", run_id=run.id, reason=error.message)
            self._give_back(run, AWAY_WAIT_MS)
        except Exception as error:
            self._fault(run, error)
        finally:
            with self._lock:
                del self._held[held]

    def _fault(self, run: BulkRun, error: Exception) -> None:
        fault = fault_of(error)
        if fault.kind is FaultKind.CLOSED:
            self._closed_until_s = time.monotonic() + CLOSED_WAIT_S
        log = logger.exception if fault.kind is FaultKind.UNEXPECTED else logger.warning
        log("run fault", run_id=run.id, code=fault.error.code, reason=str(error))
        status = self._try(run, run_operations.fault_run(run.id, run.fencing_token, fault))
        if status is not None:
            self._note_end(run, status)

    def _note_end(self, run: BulkRun, status: RunStatus) -> None:
        """Count a run that ended under this lease, not one whose files alone were cleared away."""
        if status.is_terminal and not run.status.is_terminal:
            self._metrics.ended.labels(status.value).inc()
            logger.info("run ended", run_id=run.id, status=status.value)

    def _give_back(self, run: BulkRun, wait_ms: int) -> None:
        self._try(run, run_operations.release_run(run.id, run.fencing_token, wait_ms))

    def _try(self, run: BulkRun, operation: Operation[T]) -> T | None:
        try:
            return self._store.run(operation)
        except UnavailableError as error:
            logger.warning("lease runs out by itself", run_id=run.id, reason=error.message)
            return None
