"""Writes the records of ended items and closes the items, in an order that loses none and doubles none.

1. The records go into part files whose names nobody else uses (number of the write, fencing token).
2. One script, refused for an old token, lists the parts and closes their items, each of which must be open.

Only listed parts count. An item leaves the open ones in step 2 alone, so one without a listed record is recorded by
whoever feeds the run next: none is lost. Step 2 happens at most once for an item, as it must be open: none is doubled.
A part written before a crash between the steps is listed by nobody and swept away when the run has ended.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from common import run_operations
from common.bulk import BulkRun, OpenItem, RunStatus, RunStream
from common.errors import LeaseLostError
from common.files import FileStore
from common.jobs import JobError, JobStatus
from common.operations import Operation
from common.run_operations import EndedItem, Record
from worker.bulk.admission import EXPIRED
from worker.bulk.parts import PartWriter
from worker.bulk.source import BulkSource, ItemEnd
from worker.bulk.twins import Twins

T = TypeVar("T")
CANCELLED = JobError(code="cancelled", message="The request was cancelled.")
LOST = JobError(code="result_lost", message="The result was removed before it was recorded.", retryable=True)


class Recorder:
    """The records of one run; `persist` runs an operation until Redis answers."""

    def __init__(
        self,
        run: BulkRun,
        source: BulkSource,
        twins: Twins,
        files: FileStore,
        persist: Callable[[Operation[bool]], bool],
    ) -> None:
        self._run = run
        self._source = source
        self._twins = twins
        self._files = files
        self._persist = persist
        self._records = run.records

    def write(self, ended: Sequence[EndedItem], status: RunStatus) -> Record:
        """Record ended items; raises LeaseLostError if the lease passed on.

        While a run is being cancelled, items whose jobs were cancelled close without a record.
        """
        number = self._records + 1
        counts = {"completed": 0, "failed": 0, "expired": 0}
        with PartWriter(self._files, self._run, number) as writer:
            for item in ended:
                end = _end_of(item)
                if status is RunStatus.CANCELLING and end.error is CANCELLED:
                    continue
                self._add(writer, counts, item.item, end)
        done = Record(number, tuple(end.item.index for end in ended), writer.parts, **counts)
        # Tried with the same parts until Redis answers: were the part written anew, a lost reply could double an item.
        if not self._persist(run_operations.record(self._run.id, self._run.fencing_token, done)):
            raise LeaseLostError(f"Run {self._run.id} is fed by another worker.")
        self._records = number
        return done

    def _add(self, writer: PartWriter, counts: dict[str, int], item: OpenItem, end: ItemEnd) -> None:
        self._add_one(writer, counts, item, end)
        for index, cursor in self._twins.of(item.index):
            found = next(self._source.items(cursor, index))
            twin = item.model_copy(update={"index": index, "cursor": cursor, "label": found.label})
            self._add_one(writer, counts, twin, end)

    def _add_one(self, writer: PartWriter, counts: dict[str, int], item: OpenItem, end: ItemEnd) -> None:
        record = self._source.record(item, end)
        writer.add(RunStream.OUTPUT if record.succeeded else RunStream.ERROR, record.line)
        counts["completed" if record.succeeded else "failed"] += 1
        if end.error is not None and end.error.code == EXPIRED.code:
            counts["expired"] += 1


def _end_of(ended: EndedItem) -> ItemEnd:
    job = ended.job
    if job is None:
        return ItemEnd(None, JobError.model_validate(ended.item.error) if ended.item.error else LOST)
    match job.status:
        case JobStatus.SUCCEEDED:
            return ItemEnd(job, None)
        case JobStatus.EXPIRED:
            return ItemEnd(job, EXPIRED)
        case JobStatus.CANCELLED:
            return ItemEnd(job, CANCELLED)
    return ItemEnd(job, job.error or LOST)
