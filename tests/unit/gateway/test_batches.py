"""Batches over HTTP: accepted, shown, listed, cancelled; what cannot be done is refused by name."""

from typing import Any

import httpx
import pytest

from common.run_operations import begin_run, lease_run
from common.store import JobStore
from tests.unit.gateway.test_files import upload


async def create(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    """Create a batch over a fresh file."""
    file_id = (await upload(client, b"{}")).json()["id"]
    body = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    return await client.post("/v1/batches", json=body | changes)


async def test_a_batch_is_shown_as_clients_expect_it(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    # Given a new batch
    answer = await create(client, metadata={"team": "research"})
    assert answer.status_code == 200, answer.text
    batch = answer.json()
    assert batch["object"] == "batch"
    assert batch["status"] == "validating"
    assert batch["expires_at"] == batch["created_at"] + 86_400
    assert batch["request_counts"] == {"total": 0, "completed": 0, "failed": 0}
    assert batch["metadata"] == {"team": "research"}
    # When a worker has validated it, then status and time say so
    run = worker_store.run(lease_run(1000))
    assert run is not None
    worker_store.run(begin_run(run.id, run.fencing_token, 7, None))
    batch = (await client.get(f"/v1/batches/{batch['id']}")).json()
    assert (batch["status"], batch["request_counts"]["total"]) == ("in_progress", 7)
    assert batch["in_progress_at"] >= batch["created_at"]
    # When it is cancelled, then that shows
    batch = (await client.post(f"/v1/batches/{batch['id']}/cancel")).json()
    assert batch["status"] == "cancelling"
    assert batch["cancelling_at"] >= batch["in_progress_at"]


async def test_batches_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    ids = [(await create(client)).json()["id"] for _ in range(3)]
    page = (await client.get("/v1/batches?limit=2")).json()
    assert [batch["id"] for batch in page["data"]] == ids[:0:-1]
    assert page["has_more"] is True
    rest = (await client.get(f"/v1/batches?after={page['last_id']}")).json()
    assert [batch["id"] for batch in rest["data"]] == ids[:1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input_file_id", "file-" + "0" * 28),
        ("input_file_id", "x"),
        ("endpoint", "/v1/embeddings"),
        ("completion_window", "1h"),
        ("metadata", {"key": "x" * 513}),
        ("output_expires_after", {"anchor": "created_at", "seconds": 1}),
        ("priority", 3),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(client: httpx.AsyncClient, field: str, value: Any) -> None:
    answer = await create(client, **{field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"].startswith(field)


@pytest.mark.parametrize("endpoint", ["/v1/jobs", "/v1/embeddings", 7])
async def test_an_endpoint_that_cannot_be_batched_is_told_what_can(client: httpx.AsyncClient, endpoint: Any) -> None:
    """Given another endpoint, when a batch is made for it, then the refusal names the one there is and the others."""
    answer = await create(client, endpoint=endpoint)
    assert answer.status_code == 400
    reason = answer.json()["errors"][0]["reason"]
    assert reason.startswith("Only /v1/chat/completions can be batched.")
    assert "/v1/jobs" in reason
    assert "financellm bulk" in reason


async def test_an_unknown_batch_is_not_found(client: httpx.AsyncClient) -> None:
    for batch_id in ("batch_" + "0" * 22, "nonsense"):
        assert (await client.get(f"/v1/batches/{batch_id}")).status_code == 404
        assert (await client.post(f"/v1/batches/{batch_id}/cancel")).status_code == 404


async def test_the_input_of_an_open_batch_cannot_be_deleted(client: httpx.AsyncClient) -> None:
    batch = (await create(client)).json()
    answer = await client.delete(f"/v1/files/{batch['input_file_id']}")
    assert answer.status_code == 409
    assert answer.json()["code"] == "file_in_use"
