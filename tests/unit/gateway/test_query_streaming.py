"""What a listener of a query learns of its documents, however late it comes; every look is scripted, nothing waits."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from api.query_schemas import QueryCounts
from api.query_service import DescribedQuery
from api.query_streaming import QueryStreams
from common.bulk import BulkRun, RunKind, RunStatus, RunStream
from common.collections import DocumentRecord, DocumentStatus
from common.queries import QueryQuestion, QuerySpec, Row, RowStatus

SETTINGS: Any = SimpleNamespace(heartbeat_s=15, event_stream_lifetime_s=60, notice_poll_s=1)
PENDING, PARSING, READY, FAILED = DocumentStatus
ROW = Row(index=0, document_id="doc_0", document="0.pdf", question_id="q1", question="?", status=RowStatus.SUCCEEDED)


class Look:
    """What one look at the service finds: the query's status, how its documents stand, its finished rows."""

    def __init__(self, status: RunStatus, documents: Sequence[DocumentStatus], rows: Sequence[Row] = ()) -> None:
        self.status = status
        self.documents = documents
        self.rows = rows


class Service:
    """Stands in for queries and collections; `looks` follow each other, the last one stays."""

    def __init__(self, looks: Sequence[Look]) -> None:
        # Opening the stream looks once before anything is sent.
        self._looks = [looks[0], *looks]
        self._now = looks[0]

    async def get(self, *_: Any) -> DescribedQuery:
        """Take the next look."""
        self._now = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        spec = QuerySpec(collection_id="col", questions=(QueryQuestion(id="q1", text="?"),))
        run = BulkRun(
            id="qry_1", kind=RunKind.EXTRACTION, caller="alice", status=self._now.status,
            spec=spec.model_dump(mode="json"), created_at_ms=0,
        )  # fmt: skip
        return DescribedQuery(run, (), QueryCounts(total=1, succeeded=len(self._now.rows)))

    async def finished_rows(self, _: Any, stream: RunStream, after: int, most: int) -> list[Row]:
        """Return the look's rows beyond those sent."""
        return list(self._now.rows[after : after + most]) if stream is RunStream.OUTPUT else []

    async def documents(self, *_: Any) -> tuple[list[DocumentRecord], bool]:
        """Return the look's documents."""
        return [_document(number, status) for number, status in enumerate(self._now.documents)], False


class Notifications:
    """Wakes a listener at once."""

    stopping = False

    def check_stream_room(self, _: str) -> None:
        """There is room."""

    @contextmanager
    def stream(self, _topic: str, _caller: str) -> Iterator["Notifications"]:
        """Listen to nothing."""
        yield self

    async def wait(self, _: float) -> None:
        """Return at once."""


def _document(number: int, status: DocumentStatus) -> DocumentRecord:
    return DocumentRecord(
        id=f"doc_{number}", collection_id="col", caller="alice", name=f"{number}.pdf", bytes=1, sha256="a" * 64,
        status=status, created_at_ms=0,
    )  # fmt: skip


async def heard(*looks: Look) -> list[tuple[str, str]]:
    """Return the events of a stream: (event, document id and status), or (event, '')."""
    service: Any = Service(looks)
    notifications: Any = Notifications()
    response = await QueryStreams(SETTINGS, service, service, notifications).open("alice", "col", "qry_1", None)
    events: Any = response.body_iterator
    found: list[tuple[str, str]] = []
    async for event in events:
        if event.event == "document":
            document = json.loads(event.data)
            found.append((event.event, f"{document['id']} {document['status']}"))
        elif event.event is not None:
            found.append((event.event, ""))
    return found


async def test_a_late_listener_hears_how_every_document_ended() -> None:
    """Given a query that has ended already, when someone listens, then documents, rows and the end are told."""
    assert await heard(Look(RunStatus.COMPLETED, [READY, FAILED], [ROW])) == [
        ("document", "doc_0 ready"),
        ("document", "doc_1 failed"),
        ("row", ""),
        ("progress", ""),
        ("completed", ""),
    ]


async def test_documents_that_end_while_rows_begin_are_told_all_the_same() -> None:
    """Given documents seen pending, when the next look finds the query running, then how they ended comes before."""
    events = await heard(
        Look(RunStatus.VALIDATING, [PENDING, PARSING]),
        Look(RunStatus.IN_PROGRESS, [READY, FAILED], [ROW]),
        Look(RunStatus.COMPLETED, [READY, FAILED], [ROW]),
    )
    assert [event for event in events if event[0] in ("document", "row", "completed")] == [
        ("document", "doc_0 pending"),
        ("document", "doc_1 parsing"),
        ("document", "doc_0 ready"),
        ("document", "doc_1 failed"),
        ("row", ""),
        ("completed", ""),
    ]


async def test_documents_that_end_between_query_and_documents_are_told_once() -> None:
    """Given documents that are ready while the query still waits, when it ends later, then each is told once."""
    events = await heard(
        Look(RunStatus.VALIDATING, [READY]), Look(RunStatus.IN_PROGRESS, [READY]), Look(RunStatus.COMPLETED, [READY])
    )
    assert [event for event in events if event[0] == "document"] == [("document", "doc_0 ready")]
    assert events[-1] == ("completed", "")
