"""Removes the bytes of files that were deleted or have expired."""

from common.files import FileStore
from common.store import JobStore
from common.stored_files import blob_gone, blobs_due

MOST_BLOBS_A_ROUND = 100


class Janitor:
    """Runs in every worker; a blob that two remove at once is no error."""

    def __init__(self, store: JobStore, files: FileStore) -> None:
        self._store = store
        self._files = files

    def round(self) -> None:
        """Remove what is due; raises UnavailableError."""
        for key in self._store.run(blobs_due(MOST_BLOBS_A_ROUND)):
            self._files.delete(key)
            self._store.run(blob_gone(key))
