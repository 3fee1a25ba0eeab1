"""Stop signals as calls on a thread of their own, where locks may be taken and logs written."""

import signal
import threading
from collections.abc import Callable

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


class StopSignals:
    """Takes over SIGTERM, SIGINT and SIGHUP from the moment it is made.

    It must be made in the main thread before any other thread starts: threads inherit the blocked signals. `action` may
    be replaced while it listens.
    """

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        threading.Thread(target=self._listen, name="stop-signals", daemon=True).start()

    def _listen(self) -> None:
        while True:
            signal.sigwait(STOP_SIGNALS)
            self.action()
