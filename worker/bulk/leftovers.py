"""Removes files that nobody owns any more: of queries that are gone, of killed writers, of uploads without a record."""

import re
from collections.abc import Callable, Iterator, Sequence

from common.bulk import run_folder
from common.collection_operations import unlisted_reports
from common.collections import UPLOADS_FOLDER
from common.files import UNLISTED_AGE_S, FileStore
from common.operations import Operation
from common.pages import MADE_FOLDERS
from common.queries import PLANS_FOLDER, plan_key, planned_run_id
from common.run_operations import ENDED_RUN_TTL_MS
from common.store import JobStore, translated_errors
from common.stored_files import FILES_FOLDER, memory_age_ms, unlisted_files
from common.telemetry import get_logger

logger = get_logger("bulk")

# No record of an ended query is kept longer, and one without a record is given as long before its rows go.
QUERY_AGE_S = ENDED_RUN_TTL_MS / 1000
# Far beyond the longest upload, whose file changes with every piece.
HALF_WRITTEN_AGE_S = 86_400.0
# What the name of a file begins with where a record may list it: the content of a report, or the id of a file.
_LISTED_NAME = re.compile(r"[0-9a-f]{64}|file-[0-9a-f]{28}")
_NAMES_A_CALL = 500

Unlisted = Callable[[Sequence[str]], Operation[tuple[str, ...]]]


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
        unlisted = self._remove_unlisted()
        if half_written or gone or unlisted:
            logger.info("leftovers removed", half_written=len(half_written), queries=len(gone), unlisted=unlisted)

    def _is_known(self, run_id: str) -> bool:
        with translated_errors():
            return bool(self._store.client.exists(self._store.keys.run(run_id)))

    def _remove_unlisted(self) -> int:
        """Remove what no record lists, as its upload failed or its deletion was broken off; returns how many files."""
        remembered_s = self._store.run(memory_age_ms()) / 1000
        folders: dict[str, Unlisted] = dict.fromkeys((UPLOADS_FOLDER, *MADE_FOLDERS), unlisted_reports)
        removed = 0
        for folder, unlisted in (folders | {FILES_FOLDER: unlisted_files}).items():
            for key in self._unlisted(folder, unlisted):
                age_s = self._files.age_s(key)
                # An upload may have written it again meanwhile; of what is older than its memory, Redis cannot tell.
                if age_s is not None and UNLISTED_AGE_S <= age_s <= remembered_s:
                    self._files.delete(key)
                    removed += 1
        return removed

    def _unlisted(self, folder: str, unlisted: Unlisted) -> Iterator[str]:
        keys = self._files.keys_older_than(folder, UNLISTED_AGE_S)
        matches = [(_LISTED_NAME.match(key.removeprefix(folder)), key) for key in keys]
        named = [(match[0], key) for match, key in matches if match]
        for start in range(0, len(named), _NAMES_A_CALL):
            part = named[start : start + _NAMES_A_CALL]
            found = self._store.run(unlisted([name for name, _ in part]))
            yield from (key for name, key in part if name in found)
