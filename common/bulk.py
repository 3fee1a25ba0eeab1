"""Bulk runs as plain values: many items from one source, fed in bounded windows, recorded in part files."""

import json
import secrets
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field

from common.jobs import Value

# Six hexadecimal digits of an item's job id count the items of a run.
MOST_ITEMS = 16**6


class RunKind(StrEnum):
    """What the items of a run are."""

    BATCH = "batch"
    EXTRACTION = "extraction"


RUN_ID_PREFIXES = {RunKind.BATCH: "batch", RunKind.EXTRACTION: "qry"}


class RunStatus(StrEnum):
    """Where a run stands; failed, completed, expired and cancelled are final."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return self in _TERMINAL


_TERMINAL = frozenset({RunStatus.FAILED, RunStatus.COMPLETED, RunStatus.EXPIRED, RunStatus.CANCELLED})


class RunStream(StrEnum):
    """The two files a run writes: answers, and items that have none."""

    OUTPUT = "output"
    ERROR = "error"


class LineError(Value):
    """Why a source was refused; `line` counts from one."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Part(Value):
    """A file of finished records of one stream; only parts listed in Redis count."""

    stream: RunStream
    name: str
    rows: int
    bytes: int

    def key(self, run_id: str) -> str:
        """Return the part's key in the file store."""
        return f"{run_folder(run_id)}{self.name}"


class ResultFile(Value):
    """A part that is also a file of its caller."""

    id: str
    filename: str
    key: str
    bytes: int
    stream: RunStream
    expires_after_s: int | None = None


class BulkRun(Value):
    """One run; times are Unix milliseconds by Redis' clock.

    `completed` and `failed` count items whose record is in a listed part; `expired` is the share of `failed` that ran
    out of time. `cursor` and `next_index` are where feeding goes on. `fencing_token` grows by one with each lease.
    `spec` belongs to the kind of run.
    """

    id: str
    kind: RunKind
    caller: str
    status: RunStatus
    spec: dict[str, Any]
    metadata: dict[str, str] | None = None
    created_at_ms: int
    expires_at_ms: int | None = None
    in_progress_at_ms: int | None = None
    finalizing_at_ms: int | None = None
    completed_at_ms: int | None = None
    failed_at_ms: int | None = None
    expired_at_ms: int | None = None
    cancelling_at_ms: int | None = None
    cancelled_at_ms: int | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    expired: int = 0
    cursor: int = 0
    next_index: int = 0
    records: int = 0
    twins: str | None = None
    errors: tuple[LineError, ...] = Field(default=())
    fencing_token: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None


class NewRun(Value):
    """A run to be accepted.

    `input_file_id` is kept from deletion until the run has ended; `collection_id` lists the run among its queries.
    """

    id: str
    kind: RunKind
    caller: str
    spec: dict[str, Any]
    metadata: dict[str, str] | None = None
    expires_after_s: int | None = None
    input_file_id: str | None = None
    collection_id: str | None = None


class OpenItem(Value):
    """An item that was taken from its source and has no listed record yet.

    `cursor` is where the source finds it again, `label` what its caller calls it, `note` what the source wants to know
    when it writes the record. With an `error` it has no job.
    """

    index: int
    cursor: int
    label: str
    note: dict[str, Any] = Field(default_factory=dict)
    error: dict[str, Any] | None = None


def new_run_id(kind: RunKind) -> str:
    """Return an id that sorts by creation time."""
    return f"{RUN_ID_PREFIXES[kind]}_{time.time_ns():016x}{secrets.token_hex(3)}"


def run_id_pattern(kind: RunKind) -> str:
    """Return the pattern of this kind's ids."""
    return f"^{RUN_ID_PREFIXES[kind]}_[0-9a-f]{{22}}$"


def item_job_id(run_id: str, index: int) -> str:
    """Return the id of an item's job: the same whoever feeds the run."""
    return f"job_{run_id.rpartition('_')[2]}{index:06x}"


def result_file_id(run_id: str, stream: RunStream) -> str:
    """Return the id of a run's output or error file."""
    return f"file-{run_id.rpartition('_')[2]}{list(RunStream).index(stream):06x}"


def run_folder(run_id: str) -> str:
    """Return the prefix under which a run keeps everything in the file store."""
    return f"runs/{run_id}/"


def run_from_fields(fields: Sequence[str]) -> BulkRun:
    """Build a run from the flat name, value, … list of its hash."""
    record: dict[str, Any] = dict(zip(fields[::2], fields[1::2], strict=True))
    for name in ("spec", "metadata", "errors"):
        if name in record:
            record[name] = json.loads(record[name])
    return BulkRun.model_validate({name: value for name, value in record.items() if name in BulkRun.model_fields})
