"""What every job's event log must look like, whatever was broken meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.events import EventType, JobEvent
from tests.chaos.cluster import Exit


class Ending(StrEnum):
    """How a job has to end."""

    SUCCEEDED = "succeeded"
    POISONED = "poisoned"
    CANCELLED_OR_SUCCEEDED = "cancelled or succeeded"


class Promise(StrEnum):
    """What a job may break."""

    LOST = "lost"
    DOUBLE = "double"
    ORDER = "order"
    STALE_WRITE = "stale_write"
    WRONG_END = "wrong_end"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that one job broke, and how."""

    promise: Promise
    job_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class History:
    """A job's record and its whole log after its end; `seen` are the event ids a listener got, None without one."""

    job_id: str
    status: str
    fencing_token: int
    attempt: int
    result_text: str | None
    error_code: str | None
    events: Sequence[JobEvent]
    ending: Ending = Ending.SUCCEEDED
    seen: Sequence[str] | None = None


# What may follow what; tokens are checked with the text.
_FOLLOWERS: Mapping[EventType | None, frozenset[EventType]] = {
    None: frozenset({EventType.QUEUED}),
    EventType.QUEUED: frozenset({EventType.RUNNING, EventType.CANCELLED, EventType.EXPIRED}),
    EventType.REQUEUED: frozenset({EventType.RUNNING, EventType.CANCELLED, EventType.EXPIRED}),
    EventType.RUNNING: frozenset(EventType) - {EventType.QUEUED, EventType.RUNNING},
    EventType.CANCELLING: frozenset(EventType) - {EventType.QUEUED, EventType.RUNNING, EventType.CANCELLING},
}


def broken_promises(history: History, max_attempts: int) -> list[Broken]:
    """Return everything a job's history breaks."""
    checks = (
        _check_end(history),
        _check_order(history),
        _check_writes(history),
        _check_ending(history, max_attempts),
        _check_replay(history),
    )
    return [Broken(promise, history.job_id, detail) for check in checks for promise, detail in check]


def _check_end(history: History) -> Iterable[tuple[Promise, str]]:
    ends = [event for event in history.events if event.type.is_terminal]
    if not ends:
        yield Promise.LOST, f"no terminal event; the record says {history.status}"
        return
    if len(ends) > 1:
        yield Promise.DOUBLE, f"{len(ends)} terminal events"
    if not history.events[-1].type.is_terminal:
        yield Promise.DOUBLE, f"{history.events[-1].type} after the end"
    if ends[-1].type != history.status:
        yield Promise.WRONG_END, f"the log ends {ends[-1].type}, the record says {history.status}"


def _check_order(history: History) -> Iterable[tuple[Promise, str]]:
    before: EventType | None = None
    for event in history.events:
        if event.type is EventType.TOKEN:
            continue
        if event.type not in _FOLLOWERS.get(before, frozenset()):
            yield Promise.ORDER, f"{event.type} after {before}"
        before = event.type


def _check_writes(history: History) -> Iterable[tuple[Promise, str]]:
    """Every claim writes its own text from its beginning; a write of an older claim would not fit into it."""
    attempt: int | None = None
    text = ""
    claims = 0
    for event in history.events:
        if event.type is EventType.RUNNING:
            attempt, text, claims = int(event.data["attempt"]), "", claims + 1
        elif event.type is EventType.REQUEUED:
            attempt = None
        elif event.type is EventType.TOKEN:
            if attempt is None or event.data["attempt"] != attempt:
                yield Promise.STALE_WRITE, f"text of attempt {event.data['attempt']} while {attempt} ran"
            elif event.data["offset"] != len(text):
                yield Promise.STALE_WRITE, f"text at {event.data['offset']} where {len(text)} characters stood"
            text += str(event.data["text"])
    if claims != history.fencing_token:
        yield Promise.STALE_WRITE, f"{claims} claims in the log, fencing token {history.fencing_token}"
    if history.result_text is not None and text != history.result_text:
        yield Promise.STALE_WRITE, f"the log's text {text[:60]!r} is not the result {history.result_text[:60]!r}"


def _check_ending(history: History, max_attempts: int) -> Iterable[tuple[Promise, str]]:
    if history.ending is Ending.POISONED:
        if history.error_code != "poisoned" or history.attempt != max_attempts:
            yield Promise.WRONG_END, f"poison ended {history.status}/{history.error_code} after {history.attempt}"
    elif history.ending is Ending.SUCCEEDED and history.status != "succeeded":
        yield Promise.WRONG_END, f"{history.status}/{history.error_code} instead of succeeded"
    elif history.ending is Ending.CANCELLED_OR_SUCCEEDED and history.status not in {"cancelled", "succeeded"}:
        yield Promise.WRONG_END, f"{history.status}/{history.error_code} instead of cancelled"


def _check_replay(history: History) -> Iterable[tuple[Promise, str]]:
    if history.seen is None:
        return
    expected = [event.id for event in history.events]
    if list(history.seen) != expected:
        yield Promise.REPLAY, f"a listener got {len(history.seen)} events, {len(set(history.seen))} of {len(expected)}"


@dataclass(frozen=True, slots=True)
class Redelivery:
    """A job that lost its worker; `seconds` from the loss to the next claim, None if the worker had not gone."""

    job_id: str
    worker: str
    seconds: float | None


def redeliveries(history: History, exits: Sequence[Exit]) -> list[Redelivery]:
    """Return how often and how fast a job went from a lost worker to the next."""
    found = []
    lost: str | None = None
    worker = ""
    for event in history.events:
        if event.type is EventType.RUNNING:
            if lost is not None:
                found.append(Redelivery(history.job_id, lost, _seconds_since_exit(lost, event.at_ms, exits)))
            worker, lost = str(event.data["worker"]), None
        elif event.type is EventType.REQUEUED and event.data["reason"] == "lease_expired":
            lost = worker
    return found


def _seconds_since_exit(worker: str, at_ms: float, exits: Sequence[Exit]) -> float | None:
    gone_ms = [exit_.at_ms for exit_ in exits if exit_.name == worker and exit_.at_ms <= at_ms]
    return (at_ms - max(gone_ms)) / 1000 if gone_ms else None
