"""Takes the next items of a run from its source and makes jobs of them."""

from collections.abc import Callable, Iterator
from itertools import islice

from common.bulk import BulkRun, OpenItem, item_job_id
from common.errors import PromptTooLongError
from common.jobs import GenerateRequest, JobError, Lane
from common.submissions import NewJob
from worker.bulk.source import Ask, BulkItem, BulkSource
from worker.bulk.twins import Twins

EXPIRED = JobError(code="batch_expired", message="The run ended before this request was done.")

CountTokens = Callable[[GenerateRequest], int]


class Chunk:
    """Items taken from the source but not yet into the run."""

    def __init__(self, items: list[BulkItem]) -> None:
        self.items = items

    @property
    def cursor(self) -> int:
        """Where the source goes on after them."""
        return self.items[-1].after

    @property
    def next_index(self) -> int:
        """The number of the item after them."""
        return self.items[-1].index + 1


class ItemReader:
    """Reads a run's items in order, those left out that take the answer of an earlier one."""

    def __init__(
        self, run: BulkRun, source: BulkSource, twins: Twins, count_tokens: CountTokens, limit_tokens: int
    ) -> None:
        self._run = run
        self._source = source
        self._count_tokens = count_tokens
        self._limit_tokens = limit_tokens
        read = source.items(run.cursor, run.next_index)
        self._items: Iterator[BulkItem] = (item for item in read if not twins.waits(item.index))

    def take(self, most_items: int) -> Chunk | None:
        """Return the next items, None if there are none left."""
        items = list(islice(self._items, most_items))
        return Chunk(items) if items else None

    def prepared(self, chunk: Chunk, now_ms: int) -> list[tuple[OpenItem, NewJob | None]]:
        """Return each item with its job, or with the reason why it has none; past the run's expiry none has."""
        left_ms = None if self._run.expires_at_ms is None else self._run.expires_at_ms - now_ms
        if left_ms is not None and left_ms <= 0:
            return [(_refused(item, EXPIRED), None) for item in chunk.items]
        return [self._prepare(item, left_ms) for item in chunk.items]

    def _prepare(self, item: BulkItem, left_ms: int | None) -> tuple[OpenItem, NewJob | None]:
        asked = self._source.request(item)
        if isinstance(asked, JobError):
            return _refused(item, asked), None
        prompt_tokens = self._count_tokens(asked.request)
        if prompt_tokens + asked.request.max_tokens > self._limit_tokens:
            error = PromptTooLongError(prompt_tokens, asked.request.max_tokens, self._limit_tokens)
            return _refused(item, JobError(code=error.code, message=error.message)), None
        return _opened(item, asked), self._job(item, asked, prompt_tokens, left_ms)

    def _job(self, item: BulkItem, asked: Ask, prompt_tokens: int, left_ms: int | None) -> NewJob:
        return NewJob(
            id=item_job_id(self._run.id, item.index),
            lane=Lane.BULK,
            caller=self._run.caller,
            flow=self._run.id,
            request=asked.request,
            prompt_tokens=prompt_tokens,
            deadline_ms=left_ms,
        )


def _opened(item: BulkItem, asked: Ask) -> OpenItem:
    return OpenItem(index=item.index, cursor=item.cursor, label=item.label, note=asked.note)


def _refused(item: BulkItem, error: JobError) -> OpenItem:
    return OpenItem(index=item.index, cursor=item.cursor, label=item.label, error=error.model_dump(mode="json"))
