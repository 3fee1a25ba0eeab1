"""Rows of queries as they stand: answered, waiting, or left out by a query that was cancelled."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from api.query_rows import QueryRows, closed
from common.bulk import Part, RunKind, RunStream, new_run_id
from common.errors import UnavailableError
from common.files import FileStore
from common.queries import PlannedRow, Row, RowStatus, pending_row, plan_key

RUN_ID = new_run_id(RunKind.EXTRACTION)
PART = Part(stream=RunStream.OUTPUT, name="output-00000001-1", rows=1, bytes=1)


def planned(index: int) -> PlannedRow:
    """A row as it was planned."""
    return PlannedRow(index=index, document_id=f"doc_{index}", document=f"{index}.pdf", question_id="q1", question="?")


@pytest.fixture
def rows(tmp_path: Path) -> QueryRows:
    """A query of three rows, of which the second one is answered."""
    files = FileStore(str(tmp_path))
    files.write(plan_key(RUN_ID), b"".join(planned(index).model_dump_json().encode() + b"\n" for index in range(3)))
    answered = pending_row(planned(1)).model_copy(update={"status": RowStatus.SUCCEEDED, "text": "$5 million"})
    files.write(PART.key(RUN_ID), answered.model_dump_json().encode() + b"\n")
    return QueryRows(files)


def statuses(page: list[Row]) -> list[tuple[int, str]]:
    """Number and status of each row."""
    return [(row.index, row.status.value) for row in page]


def test_rows_of_a_query_that_goes_on_are_pending(rows: QueryRows) -> None:
    """Given a query that has not ended, when its rows are read, then those without an answer are pending."""
    page = rows.page(RUN_ID, [PART], 0, 10)
    assert statuses(page) == [(0, "pending"), (1, "succeeded"), (2, "pending")]


def test_rows_that_a_cancelled_query_never_asked_are_cancelled(rows: QueryRows) -> None:
    """Given a query that was cancelled, when its rows are read, then those without an answer are cancelled."""
    page = [closed(row) for row in rows.page(RUN_ID, [PART], 0, 10)]
    assert statuses(page) == [(0, "cancelled"), (1, "succeeded"), (2, "cancelled")]
    assert page[1].text == "$5 million"


@pytest.mark.parametrize(
    "read",
    [
        lambda rows: rows.planned_total(RUN_ID),
        lambda rows: rows.tally(RUN_ID, [PART]),
        lambda rows: rows.page(RUN_ID, [PART], 0, 10),
    ],
    ids=["plan", "counts", "rows"],
)
def test_a_file_store_that_is_away_is_an_outage(
    rows: QueryRows, monkeypatch: pytest.MonkeyPatch, read: Callable[[QueryRows], object]
) -> None:
    """Given a bucket that answers no more, when rows or counts are read, then that is told as what passes."""

    def away(_store: FileStore, _key: str) -> None:
        raise OSError(errno.EBUSY, "Service Unavailable")

    monkeypatch.setattr(FileStore, "open", away)
    with pytest.raises(UnavailableError, match="file store does not answer"):
        read(rows)
