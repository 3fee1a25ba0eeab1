"""Which query `bulk` takes up again, and the table of a query that was retried."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from api.bulk_client import BulkClient
from api.cli_bulk import _bars, _counts, _query, _report, _rows, _uploaded
from api.client import JsonObject
from common.queries import Row, RowStatus
from common.templates import TEMPLATES

NAMES = ("total", "succeeded", "failed", "cancelled", "pending", "verified", "unverified", "not_found")
QUESTIONS = [{"id": "q1", "text": "Revenue?"}, {"id": "q2", "text": "Debt?"}]
SIGNALS = [{"id": column.name, "text": column.question} for column in TEMPLATES["signals"]]
BODY: JsonObject = {"questions": ["Revenue?", "Debt?"], "scope": "documents"}


def counts(**known: int) -> dict[str, int]:
    return dict.fromkeys(NAMES, 0) | known


def query(name: str, **changes: Any) -> JsonObject:
    """A completed query with one failed row, as the service shows it."""
    values: JsonObject = {
        "id": name, "collection_id": "c", "template": None, "scope": "documents", "retry_of": None,
        "status": "completed", "questions": QUESTIONS, "counts": counts(total=2, succeeded=1, failed=1),
    }  # fmt: skip
    return values | changes


def row(index: int, question: str, text: str) -> Row:
    return Row(
        index=index, document_id="d", document="a.pdf", question_id=question, question="?",
        status=RowStatus.SUCCEEDED, text=text,
    )  # fmt: skip


class ScriptedClient:
    """A service with these queries, newest first."""

    def __init__(self, *queries: JsonObject, rows: dict[str, list[Row]] | None = None) -> None:
        self._queries = list(queries)
        self._rows = rows or {}

    def queries(self, _collection_id: str) -> list[JsonObject]:
        return self._queries

    def query(self, query: JsonObject) -> JsonObject:
        return next(one for one in self._queries if one["id"] == query["id"])

    def ask(self, _collection_id: str, _body: JsonObject) -> JsonObject:
        return query("new")

    def retry(self, retried: JsonObject) -> JsonObject:
        return query(f"retry of {retried['id']}")

    def rows(self, query: JsonObject) -> Iterator[Row]:
        return iter(self._rows[query["id"]])


def client_of(*queries: JsonObject, rows: dict[str, list[Row]] | None = None) -> BulkClient:
    return cast(BulkClient, ScriptedClient(*queries, rows=rows))


def chosen(body: JsonObject, *queries: JsonObject, retry_failed: bool = False) -> str:
    return str(_query(client_of(*queries), "c", body, retry_failed)["id"])


@pytest.mark.parametrize("status", ["queued", "running", "completed"])
def test_the_same_questions_are_asked_once(status: str) -> None:
    assert chosen(BODY, query("old", status=status)) == "old"


@pytest.mark.parametrize(
    "body",
    [
        BODY | {"questions": ["Revenue?"]},
        BODY | {"questions": ["Revenue?", "Debt?", "Cash?"]},
        BODY | {"questions": ["Debt?", "Revenue?"]},
        BODY | {"template": "signals"},
        BODY | {"scope": "collection"},
    ],
    ids=["fewer", "more", "other order", "template", "scope"],
)
def test_other_questions_are_a_query_of_their_own(body: JsonObject) -> None:
    assert chosen(body, query("old")) == "new"


def test_a_template_alone_is_not_the_template_with_questions() -> None:
    # Given a query of questions and a template, when either is asked, then it is taken for both together alone
    both = query("both", template="signals", questions=QUESTIONS + SIGNALS)
    assert chosen(BODY | {"questions": [], "template": "signals"}, both) == "new"
    assert chosen(BODY, both) == "new"
    assert chosen(BODY | {"template": "signals"}, both) == "both"


@pytest.mark.parametrize("status", ["cancelled", "failed", "expired"])
def test_what_ended_early_is_asked_anew(status: str) -> None:
    assert chosen(BODY, query("old", status=status)) == "new"
    assert chosen(BODY, query("again", retry_of="old", status=status), query("old")) == "old"


@pytest.mark.parametrize("retry_failed", [False, True])
def test_a_running_retry_is_followed(retry_failed: bool) -> None:
    # Given a retry that still runs, when the command is run again, then no second one starts beside it
    running = query("again", retry_of="old", status="running")
    assert chosen(BODY, running, query("old"), retry_failed=retry_failed) == "again"


def test_what_failed_again_is_retried_from_the_newest_retry() -> None:
    # Given a retry of a retry, then it is the one whose table is written, and the one to be retried
    queries = (query("third", retry_of="second"), query("second", retry_of="first"), query("first"))
    assert chosen(BODY, *queries) == "third"
    assert chosen(BODY, *queries, retry_failed=True) == "retry of third"
    assert chosen(BODY, queries[2], retry_failed=True) == "retry of first"


class ListedDocuments:
    """A service whose collection holds these documents; it notes what is sent."""

    def __init__(self, *documents: JsonObject) -> None:
        self._documents = list(documents)
        self.sent: list[str] = []

    def collection(self, _name: str) -> JsonObject:
        return {"id": "c"}

    def documents(self, _collection_id: str) -> list[JsonObject]:
        return self._documents

    def upload(self, _collection_id: str, name: str, _path: Path) -> None:
        self.sent.append(name)


@pytest.mark.parametrize(("retry_failed", "sent"), [(False, ["new.txt"]), (True, ["bad.txt", "new.txt"])])
def test_reports_that_could_not_be_read_are_sent_again_where_failures_are_retried(
    tmp_path: Path, *, retry_failed: bool, sent: list[str]
) -> None:
    # Given a report that was read, one that could not be read, and one that was never sent
    paths = {name: tmp_path / name for name in ("bad.txt", "good.txt", "new.txt")}
    for name, path in paths.items():
        path.write_text(name, "utf-8")
    listed = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "error": error}
        for name, error in (("good.txt", None), ("bad.txt", {"code": "document_reader_died"}))
    ]
    service = ListedDocuments(*listed)
    # When the folder is given again, then what is missing is sent, with --retry-failed what failed too
    with _bars() as bars:
        _uploaded(cast(BulkClient, service), list(paths.items()), bars, retry_failed)
    assert service.sent == sent


def test_a_retry_without_failures_is_not_retried() -> None:
    done = query("again", retry_of="old", counts=counts(total=1, succeeded=1))
    assert chosen(BODY, done, query("old"), retry_failed=True) == "again"


def test_the_table_of_a_retry_holds_every_row() -> None:
    # Given two retries, of which each answered one more row of three
    third = query("third", retry_of="second", counts=counts(total=1, succeeded=1, verified=1))
    second = query("second", retry_of="first", counts=counts(total=2, succeeded=1, failed=1, not_found=1))
    first = query("first", counts=counts(total=3, succeeded=1, failed=2, verified=1))
    rows = {
        "third": [row(0, "q3", "third")],
        "second": [row(0, "q2", "second"), row(1, "q3", "failed")],
        "first": [row(0, "q1", "first"), row(1, "q2", "failed"), row(2, "q3", "failed")],
    }
    client = client_of(third, second, first, rows=rows)
    # When the newest is laid out, then rows stand in their first places with their last answers
    assert [(one.index, one.text) for one in _rows(client, third)] == [(0, "first"), (1, "second"), (2, "third")]
    # And the counts are those of the whole table
    assert _counts(client, third) == counts(total=3, succeeded=3, verified=2, not_found=1)
    assert _counts(client, second) == counts(total=3, succeeded=2, failed=1, verified=1, not_found=1)


def test_the_path_of_the_table_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Given a path with brackets, when the end is told, then none of it is taken for markup."""
    _report(query("q", error=None), [], Path("reports [2023]/answers [/eu].csv"))
    assert capsys.readouterr().err.endswith("0 cancelled: reports [2023]/answers [/eu].csv\n")
