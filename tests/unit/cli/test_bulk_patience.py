"""`financellm bulk` at a service that refuses for the time being; every answer is scripted, nothing waits."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from api.bulk_client import MOST_OUTAGES
from api.cli_bulk import bulk
from api.client import ApiClient, ApiProblemError

LIMITED = httpx.Response(429, headers={"Retry-After": "7"}, json={"code": "rate_limited", "detail": "Too many."})
AWAY = httpx.Response(503, headers={"Retry-After": "2"}, json={"code": "unavailable", "detail": "Redis is away."})
NO_MODEL = httpx.Response(503, headers={"Retry-After": "2"}, json={"code": "model_files_error", "detail": "No model."})
COUNTS = {"total": 1, "succeeded": 1, "verified": 1} | dict.fromkeys(
    ("failed", "cancelled", "pending", "unverified", "not_found"), 0
)
ROW = {
    "index": 0, "document_id": "d", "document": "a.txt", "question_id": "q1", "question": "Revenue?",
    "status": "succeeded", "text": "$5 million",
}  # fmt: skip

Refuse = Callable[[str, int], httpx.Response | None]


class Service:
    """A service that knows what it was sent; `refuse` may answer a call in its place, told its how manyth it is."""

    def __init__(self, refuse: Refuse) -> None:
        self._refuse = refuse
        self.calls: Counter[str] = Counter()
        self.waits: list[float] = []
        self.uploads: list[bytes] = []
        self._kept: dict[str, list[dict[str, Any]]] = {"collections": [], "documents": [], "queries": []}

    def client(self) -> ApiClient:
        """Return a client of it whose pauses are noted."""
        return ApiClient("http://service", None, httpx.MockTransport(self._handle), self.waits.append)

    def kept(self, kind: str) -> int:
        """Return how many of a kind there are."""
        return len(self._kept[kind])

    def accept(self, request: httpx.Request) -> httpx.Response:
        """Do what is asked."""
        kind = request.url.path.rpartition("/")[2]
        if request.method == "POST":
            new = self._new(kind, request)
            self._kept[kind].append(new)
            return httpx.Response(202, json={"data": [new]} if kind == "documents" else new)
        if kind == "rows":
            return httpx.Response(200, json={"data": [ROW], "has_more": False, "last_index": 0})
        if kind in self._kept:
            return httpx.Response(200, json={"data": self._kept[kind][::-1], "has_more": False, "last_id": None})
        return httpx.Response(200, json=self._kept["queries"][0])

    def _handle(self, request: httpx.Request) -> httpx.Response:
        call = f"{request.method} {request.url.path}"
        self.calls[call] += 1
        refusal = self._refuse(call, self.calls[call])
        if refusal is None:
            return self.accept(request)
        if refusal is LOST:
            self.accept(request)
            return AWAY
        return refusal

    def _new(self, kind: str, request: httpx.Request) -> dict[str, Any]:
        if kind == "collections":
            return {"id": "c", "name": json.loads(request.content)["name"]}
        if kind == "documents":
            self.uploads.append(request.content)
            return {"id": "d", "name": "a.txt", "sha256": "0", "error": None}
        questions = [{"id": "q1", "text": "Revenue?"}]
        return {
            "id": "q", "collection_id": "c", "template": None, "scope": "documents", "retry_of": None,
            "status": "completed", "questions": questions, "counts": COUNTS, "error": None,
        }  # fmt: skip


# Stands for a request that was served though its answer was lost.
LOST = httpx.Response(599)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Service], Any]:
    """Runs the command over one report and one question."""
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "a.txt").write_text("Revenue was $5 million.")
    (tmp_path / "questions.txt").write_text("Revenue?")
    app = typer.Typer()
    app.command()(bulk)

    def invoke(service: Service) -> Any:
        monkeypatch.setattr(ApiClient, "from_environment", service.client)
        arguments = [str(reports), "--questions", str(tmp_path / "questions.txt"), "-o", str(tmp_path / "out.csv")]
        return CliRunner().invoke(app, arguments)

    return invoke


@pytest.mark.parametrize(("refusal", "wait_s"), [(LIMITED, 7), (AWAY, 2)], ids=["its own rate limit", "outage"])
def test_each_refusal_for_the_time_being_is_waited_out(
    run: Callable[[Service], Any], tmp_path: Path, refusal: httpx.Response, wait_s: float
) -> None:
    # Given a service that refuses each call the first three times
    service = Service(lambda _call, count: refusal if count <= 3 else None)
    # When the command is run
    done = run(service)
    # Then it has waited as told each time, and its table is written
    assert done.exit_code == 0, done.output
    assert "$5 million" in (tmp_path / "out.csv").read_text()
    assert set(service.waits) == {wait_s}
    assert len(service.waits) >= 3 * 7
    # And the report was sent whole, once
    assert [b"Revenue was $5 million." in upload for upload in service.uploads] == [True]


@pytest.mark.parametrize("lost", ["collections", "queries"])
def test_what_was_accepted_though_its_answer_was_lost_is_found_again(run: Callable[[Service], Any], lost: str) -> None:
    # Given a service that loses its answer to the first request for something new
    service = Service(
        lambda call, count: LOST if call.startswith("POST") and call.endswith(lost) and count == 1 else None
    )
    # When the command is run, then it ends well, and nothing was made twice
    assert run(service).exit_code == 0
    assert (service.kept("collections"), service.kept("queries")) == (1, 1)


def test_a_service_that_stays_away_is_told(run: Callable[[Service], Any]) -> None:
    """Given a service that answers 503 for good, when run, then it is told after a while."""
    service = Service(lambda _call, _count: AWAY)
    assert isinstance(run(service).exception, ApiProblemError)
    assert service.waits == [2] * MOST_OUTAGES


def test_a_service_without_a_model_is_not_waited_for(run: Callable[[Service], Any]) -> None:
    """Given a service whose operator has not prepared a model, when run, then the refusal is told at once."""
    service = Service(lambda _call, _count: NO_MODEL)
    done = run(service)
    assert isinstance(done.exception, ApiProblemError)
    assert done.exception.meets_every_request
    assert service.waits == []
