"""One run, from wherever it stands to its end; any worker may go on after any step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from common import run_operations
from common.bulk import BulkRun, RunStatus
from common.errors import LeaseLostError, UnavailableError
from common.files import FileStore
from common.operations import Operation
from common.run_operations import Admitted, Record, RunView
from common.store import JobStore
from worker.bulk.admission import Chunk, CountTokens, ItemReader
from worker.bulk.parts import joined, sweep
from worker.bulk.recorder import Recorder
from worker.bulk.source import BulkSource
from worker.bulk.twins import Twins
from worker.bulk.validate import validate

T = TypeVar("T")
ITEMS_A_STEP = 16
MOST_RECORDS = 128
QUICK_POLL_S = 0.01
SLOW_POLL_S = 0.2
REDIS_RETRY_S = 0.5
# Parts stay few: the longer a run has gone on, the longer finished records may wait in Redis for company.
FIRST_PART_S, LONGEST_PART_S, PART_SHARE = 1.0, 30.0, 1 / 500


@dataclass(frozen=True, slots=True)
class FeedContext:
    """What the feeds of a worker share; `share` is how many items a run may have open."""

    store: JobStore
    files: FileStore
    count_tokens: CountTokens
    limit_tokens: int
    max_backlog_tokens: int
    share: Callable[[], int]
    send_permit: Callable[[str], None]
    note_record: Callable[[Record], None]
    wait: Callable[[float], None]


class RunFeed:
    """Feeds one leased run; `stopped` tells that the lease must be given up."""

    def __init__(self, context: FeedContext, run: BulkRun, source: BulkSource, stopped: Callable[[], bool]) -> None:
        self._context = context
        self._run = run
        self._source = source
        self._stopped = stopped
        self._lease = (run.id, run.fencing_token)
        self._chunk: Chunk | None = None
        self._ended_since_s: float | None = None

    def work(self) -> RunStatus:
        """Bring the run to its end; raises LeaseLostError when stopped or overtaken before."""
        status = self._run.status
        while not status.is_terminal:
            match status:
                case RunStatus.VALIDATING:
                    status = self._validate()
                case RunStatus.IN_PROGRESS | RunStatus.CANCELLING:
                    status = self._feed(status)
                case _:
                    status = self._finish()
        kept = self._persist(run_operations.run_parts(self._run.id))
        sweep(self._context.files, self._run, kept)
        self._persist(run_operations.close_run(*self._lease))
        return status

    def _validate(self) -> RunStatus:
        found = validate(self._run, self._source, self._context.files, self._stopped)
        if found.errors:
            return self._moved(run_operations.refuse_run(*self._lease, found.total, found.errors))
        self._run = self._run.model_copy(update={"twins": found.twins})
        return self._moved(run_operations.begin_run(*self._lease, found.total, found.twins))

    def _feed(self, status: RunStatus) -> RunStatus:
        context = self._context
        twins = Twins.load(context.files, self._run)
        reader = ItemReader(self._run, self._source, twins, context.count_tokens, context.limit_tokens)
        recorder = Recorder(self._run, self._source, twins, context.files, self._persist)
        poll_s = QUICK_POLL_S
        while True:
            view = self._look(0)
            if view.status is not status:
                if view.status is not RunStatus.CANCELLING:
                    return view.status
                status = view.status
            if status is RunStatus.CANCELLING:
                self._persist(run_operations.drop_open(*self._lease))
                exhausted, moved = True, False
            else:
                exhausted, moved = self._admit(reader, view)
            if self._part_is_due(view, exhausted):
                view = self._look(MOST_RECORDS)
                context.note_record(recorder.write(view.ended, status))
                self._ended_since_s, moved = None, True
            elif exhausted and not view.open_items:
                return self._all_recorded(status)
            poll_s = QUICK_POLL_S if moved else min(SLOW_POLL_S, 2 * poll_s)
            context.wait(poll_s)

    def _admit(self, reader: ItemReader, view: RunView) -> tuple[bool, bool]:
        """Take in some items if there is room; tells whether there are none left, and whether any came in."""
        room = self._context.share() - view.open_items
        if room <= 0:
            return False, False
        self._chunk = self._chunk or reader.take(min(room, ITEMS_A_STEP))
        if self._chunk is None:
            return True, False
        items = reader.prepared(self._chunk, view.now_ms)
        chunk = self._chunk
        answer = self._persist(
            run_operations.admit(self._run, items, chunk.cursor, chunk.next_index, self._context.max_backlog_tokens)
        )
        if answer is Admitted.LOST:
            raise LeaseLostError(f"Run {self._run.id} is fed by another worker.")
        if answer is not Admitted.ADMITTED:
            return False, False
        self._chunk = None
        for _, job in items:
            if job is not None:
                self._context.send_permit(job.id)
        return False, True

    def _part_is_due(self, view: RunView, exhausted: bool) -> bool:
        if not view.ended_items:
            return False
        now_s = time.monotonic()
        self._ended_since_s = self._ended_since_s or now_s
        if view.ended_items >= min(MOST_RECORDS, self._context.share() // 2):
            return True
        if view.ended_items == view.open_items and (exhausted or view.status is RunStatus.CANCELLING):
            return True
        age_s = (view.now_ms - self._run.created_at_ms) / 1000
        return now_s - self._ended_since_s >= min(LONGEST_PART_S, max(FIRST_PART_S, age_s * PART_SHARE))

    def _all_recorded(self, status: RunStatus) -> RunStatus:
        if status is RunStatus.CANCELLING:
            return self._finish()
        return self._moved(run_operations.finalize_run(*self._lease))

    def _finish(self) -> RunStatus:
        listed = self._persist(run_operations.run_parts(self._run.id))
        whole = joined(self._context.files, self._run, listed, self._stopped)
        return self._moved(run_operations.finish_run(*self._lease, whole, self._source.files(whole)))

    def _look(self, most_items: int) -> RunView:
        view = self._persist(run_operations.collect(*self._lease, most_items))
        if view is None:
            raise LeaseLostError(f"Run {self._run.id} is fed by another worker.")
        return view

    def _moved(self, operation: Operation[RunStatus | None]) -> RunStatus:
        status = self._persist(operation)
        if status is None:
            raise LeaseLostError(f"Run {self._run.id} is fed by another worker.")
        return status

    def _persist(self, operation: Operation[T]) -> T:
        """Run an operation until Redis answers; all of them may be sent twice. Raises LeaseLostError when stopped."""
        while True:
            if self._stopped():
                raise LeaseLostError(f"Run {self._run.id} is given up.")
            try:
                return self._context.store.run(operation)
            except UnavailableError:
                self._context.wait(REDIS_RETRY_S)
