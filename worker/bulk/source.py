"""What a kind of bulk run has to say: its items, what to ask for each, and the record of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.bulk import BulkRun, LineError, OpenItem, Part, ResultFile
from common.jobs import GenerateRequest, Job, JobError


@dataclass(frozen=True, slots=True)
class ScannedItem:
    """An item seen by the validation; items with the same `twin_key` are computed once, None is never shared."""

    index: int
    cursor: int
    twin_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class BulkItem:
    """An item read for feeding.

    `cursor` is where it starts and `after` where the next one does; cursors grow. `label` is what its caller calls it.
    `payload` is for the source alone and is not kept.
    """

    index: int
    cursor: int
    after: int
    label: str
    payload: Any = None


@dataclass(frozen=True, slots=True)
class Ask:
    """What the model is asked for an item; `note` is kept with the open item and given back for its record."""

    request: GenerateRequest
    note: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemEnd:
    """How an item ended: a succeeded job, or an error with the job where there was one."""

    job: Job | None
    error: JobError | None


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One line of an output or error file, without its newline."""

    line: bytes
    succeeded: bool


class BulkSource(Protocol):
    """One run's items. Everything is read by streams; a source holds no more than one item.

    Methods raise NotFoundError if what they read is gone for good, UnavailableError if it may come back.
    """

    def scan(self) -> Iterator[ScannedItem | LineError]:
        """Yield every item once, in order, or what is wrong; any error refuses the whole run."""
        ...

    def items(self, cursor: int, index: int) -> Iterator[BulkItem]:
        """Yield the items from the one numbered `index` that starts at `cursor`; (0, 0) is the first."""
        ...

    def request(self, item: BulkItem) -> Ask | JobError:
        """Return what to ask, or why this item cannot be asked; the others go on."""
        ...

    def record(self, item: OpenItem, end: ItemEnd) -> OutputRecord:
        """Return the item's record; called again for the same end after a crash, it must answer the same."""
        ...

    def files(self, parts: Sequence[Part]) -> tuple[ResultFile, ...]:
        """Return which of the finished parts (one a stream) become files of the caller."""
        ...


SourceFactory = Callable[[BulkRun], BulkSource]
