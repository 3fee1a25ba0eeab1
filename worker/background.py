"""Threads that do one thing every so often until told to stop."""

import threading
from collections.abc import Callable

from common.errors import UnavailableError
from common.telemetry import get_logger

logger = get_logger("background")

OUTAGE_RETRY_S = 0.5


class Periodic:
    """Calls `work` every `interval_s`; Redis being away, or a bug in one round, does not end it."""

    def __init__(self, name: str, interval_s: float, work: Callable[[], None]) -> None:
        self._name = name
        self._interval_s = interval_s
        self._work = work
        self._outage = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first round comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current round."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._round_and_wait_s()):
            pass

    def _round_and_wait_s(self) -> float:
        try:
            self._work()
        except UnavailableError as error:
            if not self._outage:
                logger.warning("redis away", thread=self._name, reason=error.message)
            self._outage = True
            return min(self._interval_s, OUTAGE_RETRY_S)
        except Exception:
            logger.exception("background round failed", thread=self._name)
        if self._outage:
            logger.info("redis is back", thread=self._name)
            self._outage = False
        return self._interval_s
