"""Removes files that nobody owns any more: plans and rows of queries that are gone, and what killed writers left."""

from common.bulk import run_folder
from common.files import FileStore
from common.queries import PLANS_FOLDER, plan_key, planned_run_id
from common.run_operations import ENDED_RUN_TTL_MS
from common.store import JobStore, translated_errors
from common.telemetry import get_logger

logger = get_logger("bulk")

# No record of an ended query is kept longer, and one without a record is given as long before its rows go.
QUERY_AGE_S = ENDED_RUN_TTL_MS / 1000
# Far beyond the longest upload, whose file changes with every piece.
HALF_WRITTEN_AGE_S = 86_400.0


class Leftovers:
    """Runs in every worker; a file that two remove at once is no error."""

    def __init__(self, store: JobStore, files: FileStore) -> None:
        self._store = store
        self._files = files

    def round(self) -> None:
        """Remove what is due; raises UnavailableError."""
        half_written = self._files.half_written(HALF_WRITTEN_AGE_S)
        for key in half_written:
            self._files.delete(key)
        old = [planned_run_id(key) for key in self._files.keys_older_than(PLANS_FOLDER, QUERY_AGE_S)]
        gone = [run_id for run_id in old if not self._is_known(run_id)]
        for run_id in gone:
            # The plan goes last: as long as it is there, the next round finds the rest.
            self._files.delete_prefix(run_folder(run_id))
            self._files.delete(plan_key(run_id))
        if half_written or gone:
            logger.info("leftovers removed", half_written=len(half_written), queries=len(gone))

    def _is_known(self, run_id: str) -> bool:
        with translated_errors():
            return bool(self._store.client.exists(self._store.keys.run(run_id)))
