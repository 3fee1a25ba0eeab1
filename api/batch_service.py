"""What callers can do with batches: create, look, list, cancel."""

import re

from api.batch_schemas import BATCH_ID_PATTERN, BatchSubmission
from api.file_service import FileService
from common.batches import COMPLETION_WINDOW_S, BatchSpec
from common.bulk import BulkRun, NewRun, RunKind, new_run_id
from common.errors import NotFoundError, RequestError
from common.run_operations import cancel_run, create_run, describe_run, list_runs
from common.store import AsyncJobStore

_BATCH_ID = re.compile(BATCH_ID_PATTERN)


class BatchService:
    """Everything the batch routes do, one method a verb."""

    def __init__(self, store: AsyncJobStore, files: FileService) -> None:
        self._store = store
        self._files = files

    async def create(self, caller: str, submission: BatchSubmission) -> BulkRun:
        """Accept a batch; its file is validated by a worker."""
        try:
            file = await self._files.get(caller, submission.input_file_id)
        except NotFoundError as error:
            raise RequestError(error.message, "input_file_id") from error
        if file.purpose != "batch":
            raise RequestError(f"{file.id} has the purpose {file.purpose}; it must be batch.", "input_file_id")
        expiry = submission.output_expires_after
        spec = BatchSpec(
            endpoint=submission.endpoint,
            input_file_id=file.id,
            input_key=file.key,
            output_expires_after_s=None if expiry is None else expiry.seconds,
        )
        new = NewRun(
            id=new_run_id(RunKind.BATCH),
            kind=RunKind.BATCH,
            caller=caller,
            spec=spec.model_dump(mode="json"),
            metadata=submission.metadata,
            expires_after_s=COMPLETION_WINDOW_S,
            input_file_id=file.id,
        )
        run = await self._store.run(create_run(new))
        if run is None:
            raise RequestError(f"The file {file.id} was deleted just now.", "input_file_id")
        return run

    async def get(self, caller: str, batch_id: str) -> BulkRun:
        """Return a caller's batch; raises NotFoundError."""
        known = _BATCH_ID.match(batch_id)
        return _found(batch_id, await self._store.run(describe_run(batch_id, caller, RunKind.BATCH)) if known else None)

    async def cancel(self, caller: str, batch_id: str) -> BulkRun:
        """Ask for the end of a batch; one that has ended or is being finished stays as it is."""
        known = _BATCH_ID.match(batch_id)
        return _found(batch_id, await self._store.run(cancel_run(batch_id, caller, RunKind.BATCH)) if known else None)

    async def page(self, caller: str, after: str | None, most_runs: int) -> tuple[tuple[BulkRun, ...], bool]:
        """Return batches below `after`, newest first, and whether more follow."""
        runs = await self._store.run(list_runs(caller, RunKind.BATCH, after, most_runs + 1))
        return runs[:most_runs], len(runs) > most_runs


def _found(batch_id: str, run: BulkRun | None) -> BulkRun:
    if run is None:
        raise NotFoundError(f"There is no batch {batch_id[:64]!r}; ended ones are kept for 30 days.")
    return run
