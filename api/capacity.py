"""What the workers can do, known well enough without asking Redis at each request."""

import asyncio
import math
from time import monotonic

from common.operations import overview
from common.overviews import Overview
from common.store import AsyncJobStore
from common.turns import LONGEST_WAIT_S

FRESH_S = 1.0
USABLE_S = 10.0
# Told to clients while no worker has measured a rate: long enough to bother nobody, short enough to start soon.
UNMEASURED_RETRY_S = 10


class Capacity:
    """The latest overview; older than a second it is renewed in the background, older than ten it is waited for."""

    def __init__(self, store: AsyncJobStore) -> None:
        self._store = store
        self._overview: Overview | None = None
        self._read_at_s = -math.inf
        self._refresh: asyncio.Task[Overview] | None = None

    async def overview(self) -> Overview:
        """Return queues and workers as of at most ten seconds ago; raises UnavailableError."""
        age_s = monotonic() - self._read_at_s
        if age_s < FRESH_S and self._overview is not None:
            return self._overview
        if self._refresh is None:
            self._refresh = asyncio.create_task(self.read())
            self._refresh.add_done_callback(self._refreshed)
        if age_s < USABLE_S and self._overview is not None:
            return self._overview
        return await asyncio.shield(self._refresh)

    async def read(self) -> Overview:
        """Return queues and workers as of now; raises UnavailableError."""
        self._overview = await self._store.run(overview())
        self._read_at_s = monotonic()
        return self._overview

    def _refreshed(self, task: asyncio.Task[Overview]) -> None:
        self._refresh = None
        if not task.cancelled():
            # Whoever awaited the task saw its error; for a background renewal the next request asks again.
            task.exception()


def retry_after_s(eta_s: float | None) -> int:
    """Return when to ask for a job again: its expected time, at least a second."""
    return 1 if eta_s is None else min(LONGEST_WAIT_S, max(1, math.ceil(eta_s)))
