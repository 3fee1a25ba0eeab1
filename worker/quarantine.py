"""Runs suspects alone, so that a job that kills its worker takes no neighbour with it a second time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from common.leases import ClaimedJob

Claim = Callable[[], ClaimedJob | None]
Release = Callable[[ClaimedJob], None]


class QuarantineGate:
    """Lets many ordinary jobs run at once, or one suspect by itself.

    A job is suspect once workers were lost while running it. Claims are made one at a time, behind a door that stays
    shut while a suspect waits or runs: whoever is kept out has claimed nothing yet, so a crash costs it no attempt.
    """

    def __init__(self, suspect_after_losses: int) -> None:
        self._suspect_after_losses = suspect_after_losses
        self._changed = threading.Condition()
        self._running = 0
        self._door_shut = False
        self._closed = False

    @contextmanager
    def admit(self, claim: Claim, release: Release) -> Iterator[ClaimedJob | None]:
        """Claim a job and run the block with it; None if no job waits or the gate was closed.

        A suspect claimed while others run is handed back with `release` and claimed again when they are through: while
        it waits another worker may take it, and the death of this one costs it nothing.
        """
        claimed = self._enter(claim, release)
        if claimed is None:
            yield None
            return
        try:
            yield claimed
        finally:
            self._leave(claimed)

    def close(self) -> None:
        """Admit nobody any more, and let those go who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _enter(self, claim: Claim, release: Release) -> ClaimedJob | None:
        with self._changed:
            self._changed.wait_for(lambda: not self._door_shut or self._closed)
            if self._closed:
                return None
            self._door_shut = True
        claimed: ClaimedJob | None = None
        try:
            claimed = self._claim(claim, release)
        finally:
            with self._changed:
                if claimed is not None:
                    self._running += 1
                self._door_shut = claimed is not None and self._is_suspect(claimed)
                self._changed.notify_all()
        return claimed

    def _claim(self, claim: Claim, release: Release) -> ClaimedJob | None:
        claimed = claim()
        if claimed is None or not self._is_suspect(claimed) or not self._running:
            return claimed
        release(claimed)
        with self._changed:
            self._changed.wait_for(lambda: not self._running or self._closed)
            if self._closed:
                return None
        return claim()

    def _leave(self, claimed: ClaimedJob) -> None:
        with self._changed:
            self._running -= 1
            if self._is_suspect(claimed):
                self._door_shut = False
            self._changed.notify_all()

    def _is_suspect(self, claimed: ClaimedJob) -> bool:
        return claimed.losses >= self._suspect_after_losses
