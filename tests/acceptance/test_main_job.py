"""The main job end to end: processes, a real Redis and a real model."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from tests.support.stack import Stack, model_dir

REQUEST = {
    "question": "By how much did revenue grow?",
    "context": "Revenue was $120.5 million in 2023 and $100.0 million in 2022.",
    "max_tokens": 40,
}
# The tuned model is brief about finance; code it writes at length.
LONG_REQUEST = {
    "question": "Write a Python module with ten classes for an accounting ledger.",
    "system": "You are a programmer.",
    "max_tokens": 300,
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if not (model_dir() / "model.json").is_file():
        pytest.fail("no prepared model; run `make model` (make test does)")
    with Stack(tmp_path_factory.mktemp("stack"), "auto", workers=1) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=120) as opened:
        yield opened


def submit(client: httpx.Client, body: dict[str, Any]) -> str:
    response = client.post("/v1/jobs", json=body)
    assert response.status_code == 202, response.text
    job_id: str = response.json()["id"]
    return job_id


def wait(client: httpx.Client, job_id: str, timeout_s: float = 150) -> dict[str, Any]:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        view: dict[str, Any] = client.get(f"/v1/jobs/{job_id}", params={"wait": 20}).json()
        if view["status"] not in {"queued", "running"}:
            return view
    raise TimeoutError(f"{job_id} did not end within {timeout_s} s")


def events(client: httpx.Client, job_id: str) -> list[ServerSentEvent]:
    with connect_sse(client, "GET", f"/v1/jobs/{job_id}/events") as stream:
        return [event for event in stream.iter_sse() if event.id and event.event != "message"]


def test_a_question_is_answered_with_its_timings(client: httpx.Client) -> None:
    # When a question over an excerpt is asked
    view = wait(client, submit(client, REQUEST))
    # Then it has an answer, and every interval was measured
    assert view["status"] == "succeeded", view
    timings = view["result"]["timings"]
    assert view["result"]["text"].strip()
    assert 20 < timings["prompt_tokens"] < 200
    assert 0 < timings["completion_tokens"] <= 40
    assert timings["prefill_ms"] > 0
    assert timings["total_ms"] >= timings["queue_ms"] >= 0


def test_the_same_greedy_request_gives_the_same_answer(client: httpx.Client) -> None:
    texts = {wait(client, submit(client, REQUEST))["result"]["text"] for _ in range(2)}
    assert len(texts) == 1


def test_questions_asked_at_once_share_batches(client: httpx.Client) -> None:
    # When eight questions arrive together
    with ThreadPoolExecutor(8) as pool:
        bodies = [{**REQUEST, "question": f"Explain point {number} of the results."} for number in range(8)]
        views = list(pool.map(lambda body: wait(client, submit(client, body)), bodies))
    # Then they all succeed, and rows ran side by side
    assert {view["status"] for view in views} == {"succeeded"}
    assert max(view["result"]["timings"]["batch_size_mean"] for view in views) > 2


def test_the_event_stream_carries_what_the_model_wrote(client: httpx.Client) -> None:
    job_id = submit(client, REQUEST)
    seen = events(client, job_id)
    text = "".join(event.json()["text"] for event in seen if event.event == "token")
    assert seen[0].event == "queued"
    assert seen[-1].event == "succeeded"
    # The line as it was written; the result's text is the same for people.
    assert text.splitlines()[-1] == seen[-1].json()["job"]["result"]["answer"]["line"]


def test_cancelling_stops_a_running_job(client: httpx.Client) -> None:
    job_id = submit(client, LONG_REQUEST)
    wait_for_status(client, job_id, "running")
    client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert wait(client, job_id, 20)["status"] == "cancelled"


def test_a_killed_workers_job_finishes_once_on_another_worker(stack: Stack, client: httpx.Client) -> None:
    # Given a job that generates on the only worker
    victim = stack.workers[-1]
    job_id = submit(client, LONG_REQUEST)
    wait_for_token(client, job_id)
    # When that worker is killed and another is there
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    killed_at_ms = time.time() * 1000
    stack.start_worker()
    # Then the job is claimed again within 25 s and finishes once; its log shows both attempts
    assert wait(client, job_id)["status"] == "succeeded"
    log = events(client, job_id)
    runs = [event for event in log if event.event == "running"]
    assert [event.json()["attempt"] for event in runs] == [1, 2]
    assert runs[0].json()["worker"] != runs[1].json()["worker"]
    assert sum(event.event in {"succeeded", "failed", "cancelled", "expired"} for event in log) == 1
    claimed_again_ms = int(runs[1].id.split("-")[0])
    assert claimed_again_ms - killed_at_ms < 25_000


def test_a_stopped_worker_hands_its_job_back(stack: Stack, client: httpx.Client) -> None:
    # Given a worker with a job longer than its drain time, on the slowest instructions so that no machine ends it first
    worker = stack.start_worker({"FINANCELLM_DRAIN_S": "1", "FINANCELLM_ISA": "portable"})
    first = stack.workers[-2]
    stack.wait_ready(workers=2)
    os.kill(first.pid, signal.SIGTERM)
    first.wait(timeout=60)
    job_id = submit(client, {**LONG_REQUEST, "max_tokens": 500})
    wait_for_token(client, job_id)
    # When it is told to stop, and another worker is there
    worker.terminate()
    assert worker.wait(timeout=30) == 0
    stack.start_worker()
    # Then the job is not lost and no attempt is counted
    wait_for_status(client, job_id, "running", 60)
    assert client.get(f"/v1/jobs/{job_id}").json()["attempt"] == 1
    client.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    assert wait(client, job_id, 30)["status"] == "cancelled"


def wait_for_status(client: httpx.Client, job_id: str, status: str, timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while client.get(f"/v1/jobs/{job_id}").json()["status"] != status:
        assert time.monotonic() < deadline_s, f"{job_id} did not become {status} within {timeout_s} s"
        time.sleep(0.05)


def wait_for_token(client: httpx.Client, job_id: str) -> None:
    with connect_sse(client, "GET", f"/v1/jobs/{job_id}/events") as stream:
        for event in stream.iter_sse():
            if event.event == "token":
                return
    raise AssertionError(f"{job_id} ended without a token")
