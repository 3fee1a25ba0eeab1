"""Collections and batches as the page sees them, answered inside the browser: routes with awkward names and texts."""

import json
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page, Route

COLLECTION = "/v1/collections/col_1"
ATTACK = '<img src=x onerror="window.attacked=1">'
QUOTE = "Revenue   was $120.5 million"
QUERY = f"{COLLECTION}/queries/qry_1"


def document(number: int, name: str, status: str, reason: str | None = None) -> dict[str, Any]:
    """A document of the collection."""
    return {
        "id": f"doc_{number}",
        "object": "document",
        "name": name,
        "bytes": 1_800_000,
        "sha256": "0" * 64,
        "status": status,
        "error": reason and {"code": "scanned", "message": reason},
        "pages": 112 if status == "ready" else None,
        "company": "Retail & Sons" if status == "ready" else None,
        "period": "2023" if status == "ready" else None,
        "doc_type": None,
        "created_at": "2026-01-05T10:00:00.000Z",
    }


DOCUMENTS = [
    document(1, f"{ATTACK}.pdf", "ready"),
    document(2, "annual-2022.html", "ready"),
    document(3, "scan.pdf", "failed", "The pages of scan.pdf are pictures without text."),
]


def row(index: int, name: str, **fields: Any) -> dict[str, Any]:
    """A row of the answer table, succeeded and verified unless told otherwise."""
    return {
        "index": index,
        "document_id": f"doc_{index + 1}",
        "document": name,
        "question_id": "1",
        "question": "What was revenue?",
        "status": "succeeded",
        "text": "$120.5 million",
        "kind": "number",
        "value": "120.5",
        "scale": "million",
        "verification": "verified",
        "confidence": 0.968,
        "program": None,
        "operands": [],
        "numbers": [],
        "citations": [{"document": name, "page": 41, "quote": "Revenue was $120.5 million"}],
        "evidence": None,
        "error": None,
        "timings": None,
    } | fields


def unverified(text: str, number: str) -> dict[str, Any]:
    """The number of a text that was not found in the sources."""
    start = text.index(number)
    place = {"start": start, "end": start + len(number)}
    return {"text": number, **place, "finding": "unverified", "verified": False, "reason": f"no page {ATTACK} holds it"}


def page_read(number: int) -> dict[str, Any]:
    """A page of the first report that a prompt was made of."""
    return {"document_id": "doc_1", "document": DOCUMENTS[0]["name"], "page": number}


EVIDENCE = {
    "pages": [page_read(41), page_read(42)],
    "pages_dropped": 3,
    "rows_kept": 12,
    "rows_dropped": 8,
    "sentences_kept": 4,
    "sentences_dropped": 0,
    "prompts": [
        {"pages": [page_read(7)], "kind": "not_found", "verification": "no numbers", "stands": False},
        {"pages": [page_read(41), page_read(42)], "kind": "number", "verification": "verified", "stands": True},
    ],
}
TIMINGS = {
    "queue_ms": 5, "tokenize_ms": 1, "prefill_ms": 800, "decode_ms": 200, "total_ms": 1006, "prompt_tokens": 900,
    "cached_prompt_tokens": 200, "completion_tokens": 9, "decode_tokens_per_second": 45.0, "batch_size_mean": 1.0,
    "engine": "fake", "model_revision": "r1",
}  # fmt: skip
GUESS = f"About $99 million 📈 {ATTACK} or $7 million"
ROWS = [
    row(0, DOCUMENTS[0]["name"], evidence=EVIDENCE, timings=TIMINGS),
    row(1, "annual-2022.html", text=GUESS, value="99", verification="unverified", confidence=0.31,
        numbers=[unverified(GUESS, "$7")]),
    row(2, "scan.pdf", status="failed", text=None, value=None, kind=None, verification=None, confidence=None,
        citations=[],
        error={"code": "scanned", "message": "The pages of scan.pdf are pictures without text."}),
]  # fmt: skip
COUNTS = {
    "total": 3,
    "succeeded": 2,
    "failed": 1,
    "cancelled": 0,
    "pending": 0,
    "verified": 1,
    "unverified": 1,
    "not_found": 0,
}
RUN = {
    "id": "qry_1",
    "object": "query",
    "collection_id": "col_1",
    "status": "running",
    "scope": "documents",
    "template": None,
    "questions": [{"id": "1", "text": "What was revenue?"}],
    "counts": {**COUNTS, "succeeded": 0, "failed": 0, "pending": 3, "verified": 0, "unverified": 0},
    "created_at": "2026-01-05T10:00:00.000Z",
    "error": None,
}
RETRY = RUN | {
    "id": "qry_2",
    "status": "completed",
    "counts": {**COUNTS, "total": 1, "succeeded": 1, "failed": 0, "unverified": 0},
}
RETRIED_ROWS = [row(0, "scan.pdf", document_id="doc_3", text="$80 million", value="80")]
BATCH = {
    "id": "batch_1",
    "object": "batch",
    "status": "completed",
    "request_counts": {"total": 1000, "completed": 998, "failed": 2},
    "created_at": 1_767_600_000,
    "output_file_id": "file_out",
    "error_file_id": "file_err",
    "errors": None,
}


class PageStub:
    """Answers /v1/collections, /v1/files and /v1/batches for one page.

    `asked` lists the requests that came, `batch` is the only batch as it stands.
    """

    def __init__(self, page: Page, rows: Sequence[dict[str, Any]] = ROWS) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.batch: dict[str, Any] = BATCH
        self._rows = list(rows)
        self._created = False
        self._ended = False
        self._retried = False
        page.route("**/v1/collections**", self._answer)
        page.route("**/v1/collections/**", self._answer)
        page.route("**/v1/batches**", self._answer)
        page.route("**/v1/files**", self._answer)
        page.route("**/v1/files/**", self._answer)

    def _answer(self, route: Route) -> None:
        request = route.request
        path = "/" + request.url.split("/", 3)[3].partition("?")[0]
        self.asked.append((request.method, path, request.post_data or ""))
        if path == f"{QUERY}/events":
            route.fulfill(status=200, content_type="text/event-stream", body=self._events())
        elif path == f"{QUERY}/export":
            route.fulfill(status=200, content_type="text/csv", body="document,answer\r\n")
        else:
            status, body = self._json(request.method, path)
            route.fulfill(status=status, content_type="application/json", body=json.dumps(body))

    def _json(self, method: str, path: str) -> tuple[int, Any]:
        run = RUN | ({"status": "completed", "counts": COUNTS} if self._ended else {})
        collection = {"id": "col_1", "name": f"Retail {ATTACK}", "documents": {"total": 3}, "bytes": 1}
        if method == "POST" and path == "/v1/collections":
            self._created = True
            return 201, collection
        if method == "POST" and path == "/v1/files":
            return 200, {"id": "file_in"}
        if path == f"{QUERY}/retry":
            self._retried = True
            return 202, RETRY
        runs = [*([RETRY] if self._retried else []), *([run] if self._ended else [])]
        answers: dict[str, tuple[int, Any]] = {
            "/v1/collections": (200, listed([collection] if self._created else [])),
            COLLECTION: (200, collection),
            f"{COLLECTION}/documents": (202 if method == "POST" else 200, listed(DOCUMENTS)),
            f"{COLLECTION}/documents/doc_1/pages/41": (200, page_text(41, f"Results\n{QUOTE}, up 20%.\n{ATTACK}")),
            f"{COLLECTION}/documents/doc_1/pages/7": (200, page_text(7, "Risk factors")),
            f"{COLLECTION}/queries": (202, RUN) if method == "POST" else (200, listed(runs)),
            QUERY: (200, run),
            f"{QUERY}/rows": (200, listed(self._rows if self._ended else []) | {"last_index": 2}),
            f"{COLLECTION}/queries/qry_2": (200, RETRY),
            f"{COLLECTION}/queries/qry_2/rows": (200, listed(RETRIED_ROWS) | {"last_index": 0}),
            "/v1/batches": (200, self.batch if method == "POST" else listed([self.batch])),
        }  # fmt: skip
        return answers.get(path, (404, {"code": "not_found", "detail": f"Nothing at {path}."}))

    def _events(self) -> str:
        self._ended = True
        events = [("progress", {"counts": COUNTS}), *(("row", each) for each in self._rows), ("completed", {})]
        return "".join(
            f"id: {n}-0\nevent: {kind}\ndata: {json.dumps(data)}\n\n" for n, (kind, data) in enumerate(events)
        )


def page_text(number: int, text: str) -> dict[str, Any]:
    """A page of the first report with its text."""
    return {"document_id": "doc_1", "document": DOCUMENTS[0]["name"], "page": number, "pages": 112, "text": text}


def listed(data: list[Any]) -> dict[str, Any]:
    """A list as the service sends it, complete on one page."""
    return {"object": "list", "data": data, "has_more": False}


def answered_job(job_id: str, text: str, line: str) -> dict[str, Any]:
    """Return an answered job of task figures as the service shows it, as far as the page reads it."""
    timings = {"queue_ms": 1.0, "tokenize_ms": 0.1, "prefill_ms": 50.0, "decode_ms": 80.0, "total_ms": 131.1}
    counts = {
        "prompt_tokens": 90,
        "cached_prompt_tokens": 0,
        "completion_tokens": 12,
        "decode_tokens_per_second": 150.0,
    }
    answer = {"task": "figures", "kind": "number", "verification": "verified", "line": line, "numbers": []}
    result = {"text": text, "finish_reason": "stop", "timings": timings | counts | {"batch_size_mean": 1.0}}
    return {"id": job_id, "status": "succeeded", "result": result | {"answer": answer}}
