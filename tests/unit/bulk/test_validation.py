"""What refuses a batch file, by line."""

import json

import pytest

from common.bulk import RunStatus
from tests.support.bulk_runs import BulkBench, chat_line

GOOD = chat_line("a", "question")


def changed(**fields: object) -> str:
    return json.dumps(json.loads(chat_line("b", "question")) | fields)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", "invalid_json_line"),
        ("[1]", "invalid_json_line"),
        ("\udcff", "invalid_json_line"),
        ('{"custom_id": "b"}', "missing_required_parameter"),
        (changed(extra=1), "unknown_field"),
        (changed(custom_id=""), "invalid_custom_id"),
        (changed(custom_id=7), "invalid_custom_id"),
        (changed(method="GET"), "invalid_method"),
        (changed(url="/v1/embeddings"), "invalid_url"),
        (changed(body="text"), "invalid_body"),
        (GOOD, "duplicate_custom_id"),
        (chat_line("b", "x" * (1 << 20)), "line_too_long"),
    ],
)
def test_a_bad_line_refuses_the_batch_by_number(bench: BulkBench, line: str, code: str) -> None:
    # Given a file whose third line is bad, after a blank one
    bench.submit([GOOD, "", line.encode("utf-8", "surrogateescape").decode("latin-1"), chat_line("c", "question")])
    # When it is validated
    run = bench.feed()
    # Then the batch has failed and says which line is wrong and why; nothing was asked
    assert run is not None
    assert run.status is RunStatus.FAILED
    assert run.failed_at_ms is not None
    assert [(error.line, error.code) for error in run.errors] == [(3, code)]
    assert not bench.asked


def test_an_empty_file_is_refused(bench: BulkBench) -> None:
    bench.submit(["", "  "])
    run = bench.feed()
    assert run is not None
    assert [error.code for error in run.errors] == ["empty_file"]


def test_errors_are_reported_up_to_a_number(bench: BulkBench) -> None:
    bench.submit(["{"] * 500)
    run = bench.feed()
    assert run is not None
    assert len(run.errors) == 100


def test_too_many_lines_are_refused(bench: BulkBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.bulk.batches.MOST_LINES", 3)
    bench.submit([chat_line(str(number), "question") for number in range(4)])
    run = bench.feed()
    assert run is not None
    assert [(error.line, error.code) for error in run.errors] == [(4, "too_many_lines")]


def test_a_surrogate_without_a_partner_becomes_a_mark(bench: BulkBench) -> None:
    bench.submit([chat_line("a\ud800", "question \ud800")])
    run = bench.feed()
    assert run is not None
    assert run.completed == 1
