"""The Idempotency-Key header: one job a key, whatever is sent again."""

import asyncio

import httpx

from common.jobs import Lane
from common.operations import claim, succeed
from common.store import JobStore
from tests.support.values import result
from tests.unit.gateway.problems import problem
from tests.unit.gateway.test_submission import wait_for

QUESTION = {"question": "What was revenue?"}


async def test_the_same_key_and_body_answer_the_same_job(
    client: httpx.AsyncClient, permits: list[tuple[Lane, str]]
) -> None:
    """Given a repeated submission, when its key is the same, quoted or bare, then the same job comes back, marked."""
    first = await client.post("/v1/jobs", json=QUESTION | {"max_tokens": 9}, headers={"Idempotency-Key": '"k1"'})
    again = await client.post(
        "/v1/jobs", content=b'{"max_tokens": 9,\n "question": "What was revenue?"}',
        headers={"Idempotency-Key": "k1", "Content-Type": "application/json"},
    )  # fmt: skip
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    await asyncio.to_thread(wait_for, permits)
    assert len(permits) == 1


async def test_the_same_key_with_another_body_is_refused(client: httpx.AsyncClient) -> None:
    """Given a used key, when another question comes with it, then 422 idempotency_key_reused."""
    await client.post("/v1/jobs", json=QUESTION, headers={"Idempotency-Key": '"k1"'})
    other = await client.post("/v1/jobs", json={"question": "Another?"}, headers={"Idempotency-Key": '"k1"'})
    assert problem(other, 422, "idempotency_key_reused")["errors"][0]["field"] == "Idempotency-Key"


async def test_a_replay_of_an_ended_job_answers_200_with_its_result(
    client: httpx.AsyncClient, worker_store: JobStore
) -> None:
    """Given a job that ended, when its submission is repeated, then 200 carries the answer."""
    headers = {"Idempotency-Key": '"k1"'}
    await client.post("/v1/jobs", json=QUESTION, headers=headers)
    claimed = worker_store.run(claim("w", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    worker_store.run(succeed(claimed.job.id, claimed.job.fencing_token, result("42")))
    again = await client.post("/v1/jobs", json=QUESTION, headers=headers)
    assert again.status_code == 200
    assert again.json()["result"]["text"] == "42"
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_malformed_idempotency_keys_are_refused(client: httpx.AsyncClient) -> None:
    """Given a key outside the grammar, when submitted, then 400 instead of a job that cannot be repeated."""
    response = await client.post("/v1/jobs", json=QUESTION, headers={"Idempotency-Key": "a b"})
    problem(response, 400, "malformed_header")
