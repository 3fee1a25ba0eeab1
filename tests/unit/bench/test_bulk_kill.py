"""How a killed bulk run is counted."""

import json

from common.queries import Row, RowStatus
from tests.bench.bulk_kill import computed, lost_and_doubled


def row(document: str, status: RowStatus = RowStatus.SUCCEEDED) -> Row:
    return Row(index=0, document_id=document, document=document, question_id="q", question="?", status=status)


def test_missing_and_repeated_rows_are_counted() -> None:
    """Given four planned rows of which one is pending, one is missing and one is there twice, then each is counted."""
    rows = [row("a"), row("b", RowStatus.FAILED), row("b", RowStatus.FAILED), row("c", RowStatus.PENDING)]
    assert lost_and_doubled(rows, 4) == (2, 1)


def test_a_whole_table_has_nothing_to_count() -> None:
    assert lost_and_doubled([row("a"), row("b", RowStatus.FAILED)], 2) == (0, 0)


def test_only_answers_that_came_to_their_end_are_computations() -> None:
    """Given a job that was lost once and one that was computed twice, when counted, then ends alone count."""
    entries = (
        {"event": "job claimed", "job_id": "job_1", "attempt": 1},
        {"event": "job claimed", "job_id": "job_1", "attempt": 2},
        {"event": "job ended", "job_id": "job_1", "status": "succeeded"},
        {"event": "job ended", "job_id": "job_2", "status": "succeeded"},
        {"event": "job ended", "job_id": "job_2", "status": "succeeded"},
        {"event": "job ended", "job_id": "job_3", "status": "failed"},
    )
    lines = [*map(json.dumps, entries), '{"event": "job ended", "job_id": "job_4", "sta']
    assert computed(iter(lines)) == {"job_1": 1, "job_2": 2}
