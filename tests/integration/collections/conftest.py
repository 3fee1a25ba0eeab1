"""The whole service with the fake engine and short leases, and a client for collections."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.pdf_files import pdf, statement_page
from tests.support.stack import Stack
from tests.support.worker_process import QUICK_LEASES

SLOW = {**QUICK_LEASES, "FINANCELLM_FAKE_STEP_MS": "5", "FINANCELLM_FAKE_FAULTS": "true"}
ENDED = ("completed", "cancelled", "failed", "expired")


class CollectionClient:
    """One collection of a running service."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60)
        self.id: str = self.http.post("/v1/collections", json={"name": "reports"}).json()["id"]
        self.path = f"/v1/collections/{self.id}"

    def upload(self, **contents: bytes) -> list[dict[str, Any]]:
        """Send files; `_` in a name stands for a dot."""
        files = [("file", (name.replace("_", "."), data)) for name, data in contents.items()]
        response = self.http.post(f"{self.path}/documents", files=files)
        assert response.status_code == 202, response.text
        documents: list[dict[str, Any]] = response.json()["data"]
        return documents

    def ask(self, **body: Any) -> str:
        """Start a query and return its path."""
        response = self.http.post(f"{self.path}/queries", json=body)
        assert response.status_code == 202, response.text
        return response.headers["Location"]

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Read JSON."""
        response = self.http.get(path, params=params)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def wait_ready(self, timeout_s: float = 60) -> dict[str, dict[str, Any]]:
        """Wait until every document was read; returns them by name."""
        deadline_s = time.monotonic() + timeout_s
        while self.get(self.path)["documents"]["pending"]:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        return {document["name"]: document for document in self.get(f"{self.path}/documents", limit=1000)["data"]}

    def wait_ended(self, query: str, timeout_s: float = 90) -> dict[str, Any]:
        """Wait for a query's end."""
        deadline_s = time.monotonic() + timeout_s
        while (found := self.get(query))["status"] not in ENDED:
            assert time.monotonic() < deadline_s, found
            time.sleep(0.1)
        return found

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Read all rows."""
        rows: list[dict[str, Any]] = self.get(f"{query}/rows", limit=1000)["data"]
        return rows


def report(company: str, revenue: int) -> bytes:
    """A small PDF: a cover, results, a balance sheet."""
    results = [
        (50.0, 760.0, f"{company} results of operations"),
        (50.0, 730.0, f"Revenue was ${revenue} million in 2022 and ${revenue - 10} million in 2021."),
        (50.0, 716.0, "Capital expenditures were $12 million. Dividends paid were $3 million."),
    ]
    return pdf(
        [[(50.0, 760.0, f"{company} FORM 10-K for the fiscal year ended December 31, 2022")], results, statement_page()]
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One gateway and one worker with the fake engine."""
    with Stack(tmp_path_factory.mktemp("collections"), "fake", env=SLOW) as running:
        yield running


@pytest.fixture
def collection(stack: Stack) -> Iterator[CollectionClient]:
    """An empty collection."""
    client = CollectionClient(stack.url)
    yield client
    client.http.close()


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """A service whose worker a test may kill."""
    with Stack(tmp_path, "fake", env=SLOW) as running:
        yield running
