"""Looking at, waiting for, cancelling and listing jobs."""

import asyncio
import time

import httpx
import pytest

from common import operations
from common.jobs import JobError, JobStatus, Lane
from common.leases import ClaimedJob
from common.store import JobStore
from tests.support.values import result
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem


async def submit(client: httpx.AsyncClient, **fields: object) -> str:
    """Submit a question and return its job's address."""
    job = (await client.post("/v1/jobs", json={"question": "q"} | fields)).json()
    return str(job["links"]["self"])


def until_queued(store: JobStore) -> None:
    """Wait until a job is in the queue."""
    while not store.run(operations.overview()).lanes[Lane.INTERACTIVE].waiting:
        time.sleep(0.01)


def take(store: JobStore) -> ClaimedJob:
    """Claim the next job as a worker does."""
    claimed = store.run(operations.claim("w", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    return claimed


def finish(store: JobStore, text: str = "42") -> None:
    """Claim the next job and answer it."""
    job = take(store).job
    assert store.run(operations.succeed(job.id, job.fencing_token, result(text)))


async def test_a_finished_job_shows_its_answer_and_timings(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given an answered job, when looked at, then text, timings and stamps are there and no Retry-After."""
    path = await submit(client)
    finish(worker_store)
    response = await client.get(path)
    job = response.json()
    assert (job["status"], job["result"]["text"], job["queue"], job["error"]) == ("succeeded", "42", None, None)
    assert {"queue_ms", "prefill_ms", "decode_ms", "total_ms"} <= job["result"]["timings"].keys()
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert job["attempt"] == 1
    assert "Retry-After" not in response.headers


async def test_a_failed_job_shows_its_code(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given a failed job, when looked at, then the stable code and the sentence are there."""
    path = await submit(client)
    job = take(worker_store).job
    error = JobError(code="engine_error", message="broke")
    worker_store.run(operations.end(job.id, job.fencing_token, JobStatus.FAILED, error))
    assert (await client.get(path)).json()["error"] == {"code": "engine_error", "message": "broke", "retryable": False}


@pytest.mark.parametrize("job_id", ["x", "job_", "job_" + "0" * 28, "job_" + "g" * 28, "%00", "..%2f", "é", "x" * 5000])
async def test_unknown_ids_are_not_found(client: httpx.AsyncClient, job_id: str) -> None:
    """Given any id without a job, when any route is asked, then 404 with the code."""
    problem(await client.get(f"/v1/jobs/{job_id}"), 404, "not_found")
    problem(await client.get(f"/v1/jobs/{job_id}/events"), 404, "not_found")
    problem(await client.post(f"/v1/jobs/{job_id}/cancel"), 404, "not_found")


async def test_a_long_poll_returns_at_the_end_of_the_job(make_client: MakeClient, worker_store: JobStore) -> None:
    """Given a long poll and no polling of its own, when the job ends, then the notice wakes it."""
    async with make_client(notice_poll_s=60) as client:
        path = await submit(client)
        polling = asyncio.create_task(client.get(f"{path}?wait=30"))
        await asyncio.sleep(0.1)
        assert not polling.done()
        finish(worker_store)
        async with asyncio.timeout(5):
            assert (await polling).json()["status"] == "succeeded"


async def test_a_lost_notice_is_made_up_for(make_client: MakeClient, worker_store: JobStore) -> None:
    """Given a gateway that hears no notices, when the job ends, then its own slow look finds it."""
    async with make_client(notice_poll_s=0.1) as client:
        path = await submit(client)
        polling = asyncio.create_task(client.get(f"{path}?wait=30"))
        await asyncio.sleep(0.05)
        job = take(worker_store).job
        worker_store.client.hset(worker_store.keys.job(job.id), "status", "expired")
        async with asyncio.timeout(5):
            assert (await polling).json()["status"] == "expired"


async def test_a_long_poll_ends_with_its_time(client: httpx.AsyncClient) -> None:
    """Given a job that nobody does, when a long poll's time is over, then it answers the queued job."""
    path = await submit(client)
    started_s = time.monotonic()
    response = await client.get(f"{path}?wait=0.3")
    assert response.json()["status"] == "queued"
    assert time.monotonic() - started_s >= 0.3


@pytest.mark.parametrize("wait", ["-1", "61", "x", "nan", "inf", ""])
async def test_bad_waits_are_refused(client: httpx.AsyncClient, wait: str) -> None:
    """Given a wait outside 0 to 60, when asked, then 422 names it."""
    body = problem(await client.get(f"{await submit(client)}?wait={wait}"), 422, "invalid_request")
    assert body["errors"][0]["field"] == "wait"


async def test_prefer_wait_answers_200_when_done_in_time(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given Prefer: wait, when the job ends in time, then the submission itself answers it."""
    submitting = asyncio.create_task(
        client.post("/v1/jobs", json={"question": "q"}, headers={"Prefer": "wait=20, handling=strict"})
    )
    await asyncio.to_thread(until_queued, worker_store)
    finish(worker_store)
    response = await submitting
    assert response.status_code == 200
    assert response.json()["result"]["text"] == "42"
    assert response.headers["Preference-Applied"] == "wait=20"
    assert response.headers["Vary"] == "Prefer"


async def test_prefer_wait_answers_202_otherwise(client: httpx.AsyncClient) -> None:
    """Given Prefer: wait on a job that nobody does, when the time is over, then 202 as without it."""
    response = await client.post(
        "/v1/jobs", json={"question": "q"}, headers=[("Prefer", "respond-async"), ("Prefer", "wait=0")]
    )
    assert response.status_code == 202
    assert response.headers["Preference-Applied"] == "respond-async, wait=0"
    assert response.headers["Location"]


async def test_waiters_let_go_at_shutdown(make_client: MakeClient) -> None:
    """Given an open long poll, when the gateway stops, then it answers the job as it is."""
    async with make_client(notice_poll_s=60) as client:
        path = await submit(client)
        polling = asyncio.create_task(client.get(f"{path}?wait=30"))
        await asyncio.sleep(0.1)
        client._transport.app.state.gateway.stop()  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            assert (await polling).json()["status"] == "queued"


async def test_too_many_waiters_are_told_to_come_back(make_client: MakeClient) -> None:
    """Given the limit of one listener, when a second waits, then 503; a submission is accepted all the same."""
    async with make_client(max_listeners=1) as client:
        path = await submit(client)
        polling = asyncio.create_task(client.get(f"{path}?wait=1"))
        await asyncio.sleep(0.1)
        problem(await client.get(f"{path}?wait=1"), 503, "unavailable")
        problem(await client.get(f"{path}/events"), 503, "unavailable")
        submitted = await client.post("/v1/jobs", json={"question": "q"}, headers={"Prefer": "wait=5"})
        assert submitted.status_code == 202
        assert (await polling).status_code == 200


async def test_cancelling_a_queued_job_ends_it_and_can_be_repeated(client: httpx.AsyncClient) -> None:
    """Given a queued job, when cancelled twice, then it is cancelled and stays so."""
    path = await submit(client)
    for _ in range(2):
        response = await client.post(f"{path}/cancel")
        assert (response.status_code, response.json()["status"]) == (200, "cancelled")


async def test_cancelling_a_running_job_asks_its_worker(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given a running job, when cancelled, then it shows the request until its worker ends it."""
    path = await submit(client)
    job = take(worker_store).job
    body = (await client.post(f"{path}/cancel")).json()
    assert (body["status"], body["cancel_requested"]) == ("running", True)
    worker_store.run(operations.end(job.id, job.fencing_token, JobStatus.CANCELLED))
    assert (await client.get(path)).json()["status"] == "cancelled"


async def test_cancelling_an_ended_job_changes_nothing(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given an answered job, when cancelled, then the answer stays."""
    path = await submit(client)
    finish(worker_store)
    assert (await client.post(f"{path}/cancel")).json()["result"]["text"] == "42"


async def test_pages_go_through_all_jobs_newest_first(client: httpx.AsyncClient) -> None:
    """Given five jobs, when read in pages of two, then each comes once, newest first."""
    ids = [(await submit(client)).rsplit("/", 1)[1] for _ in range(5)]
    seen: list[str] = []
    query = "?limit=2"
    while True:
        page = (await client.get(f"/v1/jobs{query}")).json()
        seen += [job["id"] for job in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        query = f"?limit=2&after={page['last_id']}"
    assert seen == ids[::-1]


async def test_an_empty_page_says_so(client: httpx.AsyncClient) -> None:
    """Given no jobs, when listed, then the page is empty."""
    page = (await client.get("/v1/jobs")).json()
    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=x", "after=job_1", "cursor=x", "status=x"])
async def test_bad_page_parameters_are_refused(client: httpx.AsyncClient, query: str) -> None:
    """Given a parameter outside its range or unknown, when listed, then 422 names it."""
    body = problem(await client.get(f"/v1/jobs?{query}"), 422, "invalid_request")
    assert body["errors"][0]["field"] == query.partition("=")[0]
