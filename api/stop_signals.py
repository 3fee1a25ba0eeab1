"""Ctrl-C and SIGTERM as a request to stop in order, looked at between steps."""

import signal
import threading
from types import FrameType
from typing import Self

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequestedError(Exception):
    """Somebody asked this process to stop."""


class StopSignals:
    """Catches signals while it is entered; a second one asks for haste.

    A handler that raised would do so between any two lines, such as after a process was started and before it was
    noted, so the handler only takes note.
    """

    def __init__(self) -> None:
        self._count = 0
        self._asked = threading.Event()

    def __enter__(self) -> Self:
        # Under nohup a hang-up is ignored, and stays so.
        keeps = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()
        self._before = {number: signal.signal(number, self._note) for number in STOPPING if number not in keeps}
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def hurry(self) -> bool:
        """Whether a second signal came."""
        return self._count > 1

    def pause(self, seconds: float = 0) -> None:
        """Sleep; raises StopRequestedError as soon as a signal has come."""
        if self._asked.wait(seconds):
            raise StopRequestedError

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        self._asked.set()
