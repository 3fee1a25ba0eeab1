"""Every transition and query of bulk runs as values, like those of common/operations.py."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from common.bulk import BulkRun, LineError, NewRun, OpenItem, Part, ResultFile, RunKind, RunStatus, run_from_fields
from common.jobs import Job
from common.leases import LeaseState
from common.operations import Operation, job_parameters
from common.records import job_from_fields
from common.submissions import NewJob

# An ended item's job is kept until its record is written, by whichever worker; the longest run is far shorter.
ITEM_RESULT_TTL_S = 30 * 86_400
ENDED_RUN_TTL_MS = 30 * 86_400_000
# A run rests after a fault, twice as long each time.
FIRST_REST_MS, LONGEST_REST_MS = 2_000, 120_000


class Admitted(StrEnum):
    """What became of items offered to a run."""

    ADMITTED = "admitted"
    FULL = "full"
    STOPPED = "stopped"
    LOST = "lost"


class FaultKind(StrEnum):
    """Whether what failed may go well later; each kind is counted for itself in the run's field of this name."""

    OUTAGE = "outages"
    UNEXPECTED = "faults"
    CLOSED = "closed_faults"
    PERMANENT = "permanent_faults"


# So many faults end a run of which nothing gets on meanwhile: after a day, after eight minutes (twice), at once.
MOST_FAULTS = {FaultKind.OUTAGE: 720, FaultKind.UNEXPECTED: 10, FaultKind.CLOSED: 10, FaultKind.PERMANENT: 1}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a run could not go on, and what its caller is told if that ends it."""

    kind: FaultKind
    error: LineError


@dataclass(frozen=True, slots=True)
class EndedItem:
    """An open item that waits for its record; `job` is None where it never had one or its job is gone."""

    item: OpenItem
    job: Job | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its feeder sees it; `open_items` includes the ended ones, of which `ended` holds those asked for."""

    now_ms: int
    status: RunStatus
    open_items: int
    ended_items: int
    ended: tuple[EndedItem, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """Parts to be listed and the items whose records they hold; `number` is one more than the run's last."""

    number: int
    indices: tuple[int, ...]
    parts: tuple[Part, ...]
    completed: int
    failed: int
    expired: int


def create_run(run: NewRun) -> Operation[BulkRun | None]:
    """Accept a run; None if its input file or its collection is not the caller's."""
    parameters = run.model_dump(mode="json", exclude_none=True) | {"spec": json.dumps(run.spec)}
    if run.metadata is not None:
        parameters["metadata"] = json.dumps(run.metadata)
    return Operation("run_create", (json.dumps(parameters),), _read_run)


def describe_run(run_id: str, caller: str, kind: RunKind) -> Operation[BulkRun | None]:
    """Read a caller's run; None if there is no such run."""
    return Operation("run_describe", (run_id, caller, kind), _read_run)


def list_runs(caller: str, kind: RunKind, below: str | None, most_runs: int) -> Operation[tuple[BulkRun, ...]]:
    """Read a page of a caller's runs, newest first, below the id of the cursor."""
    return Operation(
        "run_list", (caller, kind, below or "", most_runs), lambda reply: tuple(run_from_fields(run) for run in reply)
    )


def cancel_run(run_id: str, caller: str, kind: RunKind) -> Operation[BulkRun | None]:
    """Ask for a run's cancellation; None if the caller has no such run, an ended run stays as it is."""
    return Operation("run_cancel", (run_id, caller, kind), _read_run)


def run_parts(run_id: str) -> Operation[tuple[Part, ...]]:
    """Read the listed parts of a run, oldest first; nothing else holds records that count."""
    return Operation("run_parts", (run_id,), lambda reply: tuple(Part.model_validate_json(part) for part in reply))


def lease_run(lease_ttl_ms: int) -> Operation[BulkRun | None]:
    """Take the oldest run that nobody feeds, ended ones included whose files are not cleared away yet."""
    return Operation("run_lease", (lease_ttl_ms,), _read_run)


def renew_runs(lease_ttl_ms: int, leases: Sequence[tuple[str, int]]) -> Operation[tuple[LeaseState, ...]]:
    """Renew leases given as (run id, fencing token); answers one state each, in order."""
    states = (LeaseState.LOST, LeaseState.HELD, LeaseState.CANCEL)
    args = [part for lease in leases for part in lease]
    return Operation("run_renew", (lease_ttl_ms, *args), lambda reply: tuple(states[flag] for flag in reply))


def release_run(run_id: str, token: int, wait_ms: int = 0) -> Operation[bool]:
    """Give a lease back, so that another worker goes on, at once or after `wait_ms`."""
    return Operation("run_release", (run_id, token, wait_ms), bool)


def fault_run(run_id: str, token: int, fault: Fault) -> Operation[RunStatus | None]:
    """Give a lease back after a fault; answers the status that follows, None if the lease passed on.

    The run rests, and fails after too many faults of one kind without progress; its open items are given up then.
    """
    limits = (MOST_FAULTS[fault.kind], FIRST_REST_MS, LONGEST_REST_MS)
    error = fault.error.model_dump_json()
    return Operation("run_fault", (run_id, token, fault.kind, *limits, error, ENDED_RUN_TTL_MS), _read_status)


def begin_run(run_id: str, token: int, total: int, twins: str | None) -> Operation[RunStatus | None]:
    """Start feeding a validated run; answers the status that follows, None if the lease passed on."""
    return Operation("run_begin", (run_id, token, total, twins or "", ""), _read_status)


def refuse_run(run_id: str, token: int, total: int, errors: Sequence[LineError]) -> Operation[RunStatus | None]:
    """End the validation of a run whose source has errors."""
    texts = json.dumps([error.model_dump(mode="json") for error in errors])
    return Operation("run_begin", (run_id, token, total, "", texts), _read_status)


def admit(
    run: BulkRun, items: Sequence[tuple[OpenItem, NewJob | None]], cursor: int, next_index: int, max_backlog_tokens: int
) -> Operation[Admitted]:
    """Open items and queue their jobs, and move the run's cursor behind them: all or nothing."""
    args: list[str | int] = [run.id, run.fencing_token, cursor, next_index, max_backlog_tokens]
    for item, job in items:
        parameters = "" if job is None else json.dumps(job_parameters(job, ITEM_RESULT_TTL_S) | {"unlisted": True})
        args += [item.model_dump_json(exclude_defaults=True), parameters]
    return Operation("run_admit", tuple(args), Admitted)


def collect(run_id: str, token: int, most_items: int) -> Operation[RunView | None]:
    """Look at a run and its ended items; None if the lease passed on."""
    return Operation("run_collect", (run_id, token, most_items), _read_view)


def record(run_id: str, token: int, done: Record) -> Operation[bool]:
    """List parts and close their items; False if the lease passed on."""
    parameters = {
        "number": done.number,
        "indices": done.indices,
        "parts": [part.model_dump(mode="json") for part in done.parts],
        "completed": done.completed,
        "failed": done.failed,
        "expired": done.expired,
    }
    return Operation("run_record", (run_id, token, json.dumps(parameters)), bool)


def drop_open(run_id: str, token: int) -> Operation[bool]:
    """Cancel the jobs of a run's open items: queued ones at once, running ones by their workers."""
    return Operation("run_drop", (run_id, token), bool)


def finalize_run(run_id: str, token: int) -> Operation[RunStatus | None]:
    """Note that every item has its record; None if the lease passed on."""
    return Operation("run_finalize", (run_id, token), _read_status)


def finish_run(
    run_id: str, token: int, parts: Sequence[Part], files: Sequence[ResultFile]
) -> Operation[RunStatus | None]:
    """End a run with one part a stream, some of which become files of its caller; None if the lease passed on."""
    parameters = {
        "parts": [part.model_dump(mode="json") for part in parts],
        "files": [file.model_dump(mode="json", exclude_none=True) for file in files],
    }
    return Operation("run_finish", (run_id, token, json.dumps(parameters)), _read_status)


def close_run(run_id: str, token: int) -> Operation[bool]:
    """Take an ended run off the list of those that need a worker."""
    return Operation("run_close", (run_id, token, ENDED_RUN_TTL_MS), bool)


def _read_run(reply: Any) -> BulkRun | None:
    return run_from_fields(reply) if reply else None


def _read_status(reply: Any) -> RunStatus | None:
    return RunStatus(reply) if reply else None


def _read_view(reply: Any) -> RunView | None:
    if not reply:
        return None
    now_ms, status, open_items, ended_items, *rest = reply
    ended = [
        EndedItem(OpenItem.model_validate_json(entry), job_from_fields(fields) if fields else None)
        for entry, fields in zip(rest[::2], rest[1::2], strict=True)
    ]
    ended.sort(key=lambda end: end.item.index)
    return RunView(int(now_ms), RunStatus(status), int(open_items), int(ended_items), tuple(ended))
