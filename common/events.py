"""A job's append-only event log on a Redis stream, readable again from any event on."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from common.jobs import JobStatus


class EventType(StrEnum):
    """What happened; the last four end the log."""

    QUEUED = "queued"
    RUNNING = "running"
    TOKEN = "token"
    REQUEUED = "requeued"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether this is the log's last event."""
        return self in _TERMINAL


_TERMINAL = frozenset(EventType(status.value) for status in JobStatus if status.is_terminal)

BEFORE_FIRST = "0-0"


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One entry; `id` is the stream id, `at_ms` Redis time.

    A `token` event's data is {attempt, offset, text}: text that starts `offset` characters into the answer of that
    attempt. A `requeued` event voids the text so far.
    """

    id: str
    type: EventType
    at_ms: int
    data: dict[str, Any]


def event_from_entry(entry_id: str, fields: dict[str, str]) -> JobEvent:
    """Build an event from a stream entry."""
    return JobEvent(entry_id, EventType(fields["type"]), int(fields["at_ms"]), json.loads(fields["data"]))


def events_from_entries(entries: Any) -> list[JobEvent]:
    """Build events from the reply of XRANGE, a list of (id, fields)."""
    return [event_from_entry(entry_id, fields) for entry_id, fields in entries]
