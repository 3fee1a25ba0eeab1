"""POST /v1/jobs: what becomes of a job, what a worker gets, and what limits tell."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from common.finance_tasks import Task
from common.jobs import Lane
from common.operations import claim, heartbeat
from common.prompts import FIGURES_SYSTEM, Role
from common.store import JobStore
from tests.support.values import WORKER
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

QUESTION = {"question": "What was revenue?"}


async def test_a_question_becomes_a_queued_job(
    client: httpx.AsyncClient, worker_store: JobStore, permits: list[tuple[Lane, str]]
) -> None:
    """Given a question with everything set, when submitted, then 202 shows it and a worker can claim all of it."""
    body = QUESTION | {
        "context": "Revenue was $5.",
        "system": "Be brief.",
        "max_tokens": 7.0,
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 3,
        "seed": 9,
        "stop": ["\n"],
        "priority": 2,
        "lane": "bulk",
        "deadline_s": 60,
        "metadata": {"report": "10-K"},
    }
    response = await client.post("/v1/jobs", json=body)
    job = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert int(response.headers["Retry-After"]) >= 1
    assert (job["status"], job["lane"], job["priority"], job["max_tokens"]) == ("queued", "bulk", 2, 7)
    assert job["queue"] == {"position": 1, "jobs_in_lane": 1, "eta_s": None}
    assert job["metadata"] == {"report": "10-K"}
    assert job["deadline_at"] > job["created_at"]
    assert (await client.get(f"/v1/jobs/{job['id']}")).json() == job

    claimed = worker_store.run(claim("w", Lane.BULK, 10_000))
    assert claimed is not None
    request = claimed.job.request
    assert [message.content for message in request.messages] == [
        "Be brief.",
        "Revenue was $5.\n\nQuestion: What was revenue?",
    ]
    assert (request.max_tokens, request.temperature, request.top_p, request.top_k, request.seed, request.stop) == (
        7, 1.0, 0.5, 3, 9, ("\n",)
    )  # fmt: skip
    assert claimed.job.prompt_tokens == job["prompt_tokens"]
    await asyncio.to_thread(wait_for, permits)
    assert permits == [(Lane.BULK, job["id"])]


def wait_for(permits: list[tuple[Lane, str]]) -> None:
    """Wait until the sender's thread has sent something."""
    for _ in range(500):
        if permits:
            return
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("change", "task"),
    [
        ({}, "text"),
        ({"context": "Revenue was $5."}, "figures"),
        ({"context": "Revenue was $5. " * 100}, "figures"),
        ({"context": "Revenue was $5.", "question": "Explain revenue."}, "text"),
        ({"context": "Revenue was $5.", "system": "Be brief."}, "text"),
        ({"context": "Revenue was $5.", "task": "text"}, "text"),
        ({"context": "Revenue was $5.", "task": "auto"}, "figures"),
        ({"context": "Shares jump.", "task": "sentiment"}, "sentiment"),
    ],
)
async def test_the_task_a_worker_gets(
    client: httpx.AsyncClient, worker_store: JobStore, change: dict[str, Any], task: str
) -> None:
    """Given a submission with or without a task, when it is claimed, then the worker knows task and sources."""
    assert (await client.post("/v1/jobs", json=QUESTION | change)).status_code == 202
    claimed = worker_store.run(claim("w", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    request = claimed.job.request
    assert request.task == task
    assert [source.text for source in request.sources] == ([change["context"]] if "context" in change else [])


async def test_a_follow_up_is_asked_behind_its_earlier_turns(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given an answered question, when another goes on from it, then a worker gets both, and evidence for both."""
    rows = "\n".join(f"Line {number} of many others | {number} | {number + 1}" for number in range(200))
    body = {
        "question": "And in 2022?",
        "context": f" | 2023 | 2022\n{rows}\nFreight revenue | 120.5 | 100.0",
        "earlier": [{"question": "What was freight revenue in 2023?", "line": "120.5 | million"}],
    }
    assert (await client.post("/v1/jobs", json=body)).status_code == 202
    claimed = worker_store.run(claim("w", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    system, first, line, follow_up = claimed.job.request.messages
    assert system.content == FIGURES_SYSTEM
    assert "Freight revenue: 2023=120.5; 2022=100.0" in first.content
    assert first.content.endswith("\n\nQuestion: What was freight revenue in 2023?")
    assert (line.role, line.content) == (Role.ASSISTANT, "120.5 | million")
    assert (follow_up.role, follow_up.content) == (Role.USER, "Question: And in 2022?")
    assert (claimed.job.request.task, claimed.job.request.question) == (Task.FIGURES, "And in 2022?")


async def test_a_prompt_over_the_limit_states_tokens_and_limit(make_client: MakeClient) -> None:
    """Given a prompt that is too long, when submitted, then 422 states its tokens, max_tokens and the limit."""
    async with make_client(max_job_tokens=200) as client:
        response = await client.post(
            "/v1/jobs", json=QUESTION | {"context": "x" * 500, "max_tokens": 11, "system": "s"}
        )
        body = problem(response, 422, "prompt_too_long")
    # The bound of the fake engine: a byte is a token, and each of three turns costs 13 more.
    prompt_tokens = 3 * 13 + 1 + 500 + len("\n\nQuestion: ") + len("What was revenue?")
    assert f"{prompt_tokens} tokens" in body["detail"]
    assert "max_tokens asks for 11" in body["detail"]
    assert "200 tokens" in body["detail"]


async def test_the_smallest_live_worker_limits_the_prompt(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given a worker with short rows, when a longer job comes, then its limit is stated, not a draining one's."""
    small = WORKER.model_copy(update={"name": "small", "max_row_tokens": 300})
    leaving = WORKER.model_copy(update={"name": "leaving", "max_row_tokens": 10, "draining": True})
    for worker in (WORKER, small, leaving):
        worker_store.run(heartbeat(worker, 1_000, []))
    body = problem(await client.post("/v1/jobs", json=QUESTION | {"max_tokens": 290}), 422, "prompt_too_long")
    assert "300 tokens" in body["detail"]
    assert (await client.post("/v1/jobs", json=QUESTION | {"max_tokens": 10, "system": "s"})).status_code == 202


async def test_a_missing_model_is_told_as_503(make_client: MakeClient) -> None:
    """Given a real engine and no prepared model, when submitted, then 503 says what the operator must do."""
    async with make_client(engine="native") as client:
        response = await client.post("/v1/jobs", json=QUESTION)
        assert "model prepare" in problem(response, 503, "model_files_error")["detail"]
        assert int(response.headers["Retry-After"]) >= 1


async def test_text_is_data(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given NUL bytes, control tokens and a lone surrogate, when submitted, then the worker gets them as text."""
    content = rb'{"question": "a\u0000b<|im_end|>\ud800", "system": "s", "metadata": {"k\u0000": "<|im_start|>"}}'
    response = await client.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 202
    assert response.json()["metadata"] == {"k\0": "<|im_start|>"}
    claimed = worker_store.run(claim("w", Lane.INTERACTIVE, 10_000))
    assert claimed is not None
    assert claimed.job.request.messages[1].content == "a\0b<|im_end|>\ufffd"


async def test_a_full_queue_answers_429_with_a_measured_wait(make_client: MakeClient, worker_store: JobStore) -> None:
    """Given a backlog at its limit and 100 tokens per second, when submitted, then the wait is the overflow's."""
    worker_store.run(heartbeat(WORKER, 1_000, []))
    async with make_client(max_backlog_tokens=1_000) as client:
        accepted = (await client.post("/v1/jobs", json=QUESTION | {"max_tokens": 900, "system": "s"})).json()
        backlog = accepted["prompt_tokens"] + 900
        response = await client.post("/v1/jobs", json=QUESTION | {"max_tokens": 400, "system": "s"})
        body = problem(response, 429, "queue_full")
    cost = accepted["prompt_tokens"] + 400
    assert f"{backlog} tokens" in body["detail"]
    assert int(response.headers["Retry-After"]) == -(-(backlog + cost - 1_000) // 100)


async def test_position_and_eta_come_from_the_measured_rate(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given 100 tokens per second and a job ahead, when submitted, then position, ETA and Retry-After say so."""
    worker_store.run(heartbeat(WORKER, 1_000, []))
    jobs = []
    for _ in range(2):
        response = await client.post("/v1/jobs", json=QUESTION | {"max_tokens": 100, "system": "s"})
        jobs.append(response.json())
    cost = jobs[0]["prompt_tokens"] + 100
    assert jobs[1]["queue"] == {"position": 2, "jobs_in_lane": 2, "eta_s": round(2 * cost / 100, 1)}
    assert int(response.headers["Retry-After"]) == -(-2 * cost // 100)
    assert (await client.get(jobs[1]["links"]["self"])).json()["queue"] == jobs[1]["queue"]
