"""Sends the messages that wake workers, off the event loop and after the answer.

A job is safe once Redis accepted it. Its message only wakes a worker, so nobody waits for it: when the broker is away
the messages are dropped and the workers' reaper sends them again.
"""

import queue
import threading
from collections.abc import Callable

from common.jobs import Lane
from common.telemetry import get_logger

log = get_logger(__name__)

SendPermit = Callable[[Lane, str], None]


class PermitSender:
    """A thread with a warm connection to the broker."""

    def __init__(self, send: SendPermit) -> None:
        self._send = send
        self._queue: queue.SimpleQueue[tuple[Lane, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="permit-sender", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def put(self, lane: Lane, job_id: str) -> None:
        """Send a job's message soon; returns at once."""
        self._queue.put((lane, job_id))

    def close(self, timeout_s: float) -> None:
        """Send what is left, then stop; gives up after the timeout."""
        self._queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (permit := self._queue.get()) is not None:
            lane, job_id = permit
            try:
                self._send(lane, job_id)
            except Exception as error:  # the thread must outlive whatever the broker's client raises
                log.warning(
                    "permit_not_sent", job_id=job_id, lane=lane, dropped=self._drop_waiting(), reason=str(error)
                )

    def _drop_waiting(self) -> int:
        dropped = 0
        while not self._queue.empty():
            if self._queue.get() is None:
                self._queue.put(None)
                break
            dropped += 1
        return dropped
