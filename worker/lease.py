"""The jobs this worker holds: renewed together, cancelled or given up one by one."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis

from common import operations
from common.leases import ClaimedJob, LeaseState
from common.overviews import WorkerInfo
from common.store import JobStore
from common.telemetry import get_logger
from worker.engine.rows import AbortReason, RowHandle

logger = get_logger("lease")

SUBSCRIBE_RETRY_S = 1.0
LISTEN_TIMEOUT_S = 1.0


@dataclass(slots=True)
class HeldJob:
    """A claimed job and, once submitted, its row; `sent_characters` of its text are in the event log.

    `deadline_s` is the job's on this machine's monotonic clock: only the remaining time crosses machines.
    """

    claim: ClaimedJob
    handle: RowHandle | None = None
    abort_reason: AbortReason | None = None
    sent_characters: int = 0
    finished: bool = False
    deadline_s: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.claim.job.deadline_at_ms is not None:
            left_ms = self.claim.job.deadline_at_ms - self.claim.claimed_at_ms
            self.deadline_s = time.monotonic() + left_ms / 1000

    @property
    def lease(self) -> tuple[str, int]:
        """Job id and fencing token."""
        return self.claim.job.id, self.claim.job.fencing_token

    def abort(self, reason: AbortReason) -> None:
        """Take the job out of the engine, or keep it from entering."""
        self.abort_reason = self.abort_reason or reason
        if self.handle is not None:
            self.handle.abort(reason)

    def attach(self, handle: RowHandle) -> None:
        """Connect the row; an abort that came before is passed on."""
        self.handle = handle
        if self.abort_reason is not None:
            handle.abort(self.abort_reason)


class LeaseKeeper:
    """Keeps leases alive for as long as the process is, whatever the engine does."""

    def __init__(self, store: JobStore, lease_ttl_ms: int, describe: Callable[[int], WorkerInfo]) -> None:
        self._store = store
        self._lease_ttl_ms = lease_ttl_ms
        self._describe = describe
        self._lock = threading.Lock()
        self._held: dict[str, HeldJob] = {}

    def hold(self, claim: ClaimedJob) -> HeldJob:
        """Start renewing a claimed job's lease."""
        held = HeldJob(claim)
        with self._lock:
            self._held[claim.job.id] = held
        return held

    def drop(self, held: HeldJob) -> None:
        """Stop renewing; a newer claim of the same job is left alone."""
        with self._lock:
            if self._held.get(held.claim.job.id) is held:
                del self._held[held.claim.job.id]

    def held(self) -> list[HeldJob]:
        """Return the jobs held at this moment."""
        with self._lock:
            return list(self._held.values())

    def beat(self) -> None:
        """Renew every lease in one call, and act on what comes back."""
        held = self.held()
        states = self._store.run(
            operations.heartbeat(self._describe(len(held)), self._lease_ttl_ms, [job.lease for job in held])
        )
        self.apply(held, states)

    def apply(self, held: list[HeldJob], states: tuple[LeaseState, ...]) -> None:
        """Abort the jobs whose lease is lost or whose cancellation was asked for."""
        for job, state in zip(held, states, strict=True):
            if state is LeaseState.CANCEL:
                job.abort(AbortReason.CANCELLED)
            elif state is LeaseState.LOST and self._still_held(job):
                logger.warning("lease lost", job_id=job.claim.job.id)
                job.abort(AbortReason.LOST)

    def release_all(self) -> None:
        """Ask the engine for every job back."""
        for job in self.held():
            job.abort(AbortReason.RELEASED)

    def cancel(self, job_id: str) -> None:
        """Abort a job if it is ours."""
        with self._lock:
            held = self._held.get(job_id)
        if held is not None:
            held.abort(AbortReason.CANCELLED)

    def _still_held(self, job: HeldJob) -> bool:
        with self._lock:
            return self._held.get(job.claim.job.id) is job


class CancelListener:
    """Hears cancellations at once; what it misses while disconnected, the next heartbeat brings."""

    def __init__(self, store: JobStore, keeper: LeaseKeeper) -> None:
        self._store = store
        self._keeper = keeper
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancel-listener", daemon=True)

    def start(self) -> None:
        """Begin listening."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                logger.warning("cancel channel away", reason=str(error))
                self._stop.wait(SUBSCRIBE_RETRY_S)

    def _listen(self) -> None:
        with self._store.client.pubsub(ignore_subscribe_messages=True) as channel:
            channel.subscribe(self._store.keys.cancel_channel)
            while not self._stop.is_set():
                message = channel.get_message(timeout=LISTEN_TIMEOUT_S)
                if message is not None:
                    self._keeper.cancel(message["data"])
