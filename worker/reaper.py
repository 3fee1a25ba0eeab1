"""Finds what died: jobs of lost workers, jobs past their deadline, and permits that went missing."""

import time
from typing import Any

from celery import Celery

from common import operations
from common.errors import UnavailableError
from common.jobs import Lane
from common.queue import permits_key, send_permit
from common.settings import Settings
from common.store import JobStore, translated_errors
from common.telemetry import get_logger

logger = get_logger("reaper")

MOST_JOBS_A_ROUND = 500
MOST_PERMITS_A_ROUND = 200
# A permit in a worker's hands is in no list for some milliseconds; one missing this many rounds is lost.
ROUNDS_BEFORE_RESEND = 3
GRACE_BEYOND_HEARTBEAT_S = 1.0


class Reaper:
    """Runs in every worker; all its moves are scripts that several may run at once.

    When Redis was away, or this process stood still, leases may have run out whose workers are well: these get the time
    of a heartbeat before anything is taken from them.
    """

    def __init__(self, store: JobStore, celery: Celery, settings: Settings) -> None:
        self._store = store
        self._celery = celery
        self._settings = settings
        self._missing_permits: dict[Lane, list[int]] = {lane: [] for lane in Lane}
        self._grace_s = settings.heartbeat_interval_ms / 1000 + GRACE_BEYOND_HEARTBEAT_S
        self._grace_until_s = 0.0
        self._last_round_s = time.monotonic()

    def round(self) -> None:
        """Take back, end, and wake; raises UnavailableError."""
        now_s = time.monotonic()
        if now_s - self._last_round_s > self._settings.lease_ttl_ms / 2000:
            self._grace_until_s = now_s + self._grace_s
        self._last_round_s = now_s
        try:
            if now_s >= self._grace_until_s:
                self._reap()
            self._reconcile()
        except UnavailableError:
            self._grace_until_s = time.monotonic() + self._grace_s
            raise

    def _reap(self) -> None:
        for job_id, lane in self._store.run(operations.reap(MOST_JOBS_A_ROUND, self._settings.max_attempts)):
            logger.warning("job taken back from a lost worker", job_id=job_id)
            send_permit(self._celery, lane, job_id)

    def _reconcile(self) -> None:
        """Send permits until there are as many as waiting jobs: one lost with a process would strand a job."""
        lanes = self._store.run(operations.overview()).lanes
        for lane in Lane:
            missing = self._missing(lane, lanes[lane].waiting)
            if not missing or not self._is_my_turn(lane):
                continue
            logger.warning("permits missing", lane=lane.value, missing=missing)
            self._missing_permits[lane].clear()
            for _ in range(min(missing, MOST_PERMITS_A_ROUND)):
                send_permit(self._celery, lane, "any")

    def _missing(self, lane: Lane, waiting: int) -> int:
        """Return how many permits were missing in each of the last rounds."""
        with translated_errors():
            permits: Any = self._store.client.llen(permits_key(self._settings, lane))
        history = self._missing_permits[lane]
        history.append(max(0, waiting - int(permits)))
        del history[:-ROUNDS_BEFORE_RESEND]
        return min(history) if len(history) == ROUNDS_BEFORE_RESEND else 0

    def _is_my_turn(self, lane: Lane) -> bool:
        """Let one worker at a time resend; surplus permits are harmless but not free."""
        hold_ms = 2 * ROUNDS_BEFORE_RESEND * self._settings.reaper_interval_ms
        key = f"{self._store.keys.root}resend:{lane}"
        with translated_errors():
            return bool(self._store.client.set(key, 1, nx=True, px=hold_ms))
