"""Ends a process that can no longer do its work, so that the platform starts a fresh one and its leases run out."""

import os
import time
from collections.abc import Callable

from common import operations
from common.errors import UnavailableError
from common.jobs import Lane
from common.store import JobStore
from common.telemetry import get_logger
from worker.engine.loop import EngineLoop

logger = get_logger("watchdog")

EXIT_STALLED = 70
EXIT_DEAF = 71


class Watchdog:
    """Looks for a step that hangs, a loop that died, and a worker that hears no messages while jobs wait."""

    def __init__(
        self,
        loop: EngineLoop,
        store: JobStore,
        lanes: tuple[Lane, ...],
        stall_timeout_s: float,
        deaf_timeout_s: float,
        exit_process: Callable[[int], object] = os._exit,
    ) -> None:
        self._loop = loop
        self._store = store
        self._lanes = lanes
        self._stall_timeout_s = stall_timeout_s
        self._deaf_timeout_s = deaf_timeout_s
        self._exit = exit_process
        self._quiet_since_s = time.monotonic()

    def note_permit(self) -> None:
        """Note that a permit arrived."""
        self._quiet_since_s = time.monotonic()

    def round(self) -> None:
        """Look once."""
        started_s = self._loop.step_started_s
        if started_s is not None and time.monotonic() - started_s > self._stall_timeout_s:
            logger.error("engine step stalled", limit_s=self._stall_timeout_s)
            self._exit(EXIT_STALLED)
        if self._loop.failure is not None:
            self._exit(EXIT_STALLED)
        if self._loop.rows:
            self.note_permit()
        elif self._jobs_wait() and time.monotonic() - self._quiet_since_s > self._deaf_timeout_s:
            logger.error("no messages although jobs wait", limit_s=self._deaf_timeout_s)
            self._exit(EXIT_DEAF)

    def _jobs_wait(self) -> bool:
        try:
            overview = self._store.run(operations.overview())
        except UnavailableError:
            # While Redis is away nobody hears anything, and afterwards messages need a while to arrive.
            self.note_permit()
            raise
        oldest_ms = max(overview.lanes[lane].head_age_ms for lane in self._lanes)
        return oldest_ms > self._deaf_timeout_s * 1000
