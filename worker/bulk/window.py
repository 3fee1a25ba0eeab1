"""How many jobs of a run may be in Redis at once: enough to keep the engines busy, few enough to keep memory flat."""

import time

from common import operations
from common.jobs import Lane
from common.store import JobStore

ROWS_AHEAD = 4
LEAST_JOBS = 64
LEAST_JOBS_A_RUN = 16
FRESH_S = 2.0


class Window:
    """Shared by the runs that one worker feeds."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._jobs = LEAST_JOBS
        self._read_at_s = float("-inf")

    def share(self, runs: int) -> int:
        """Return the open items that one of `runs` runs may have."""
        if time.monotonic() - self._read_at_s > FRESH_S:
            workers = self._store.run(operations.overview()).workers
            rows = sum(worker.max_rows for worker in workers if Lane.BULK in worker.lanes and not worker.draining)
            self._jobs = max(LEAST_JOBS, ROWS_AHEAD * rows)
            self._read_at_s = time.monotonic()
        return max(LEAST_JOBS_A_RUN, self._jobs // max(1, runs))
