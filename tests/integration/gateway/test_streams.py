"""Live event streams over real connections."""

import threading
import time

import httpx

from common import operations
from common.jobs import Lane
from common.store import JobStore
from tests.integration.gateway.conftest import GatewayProcess
from tests.integration.gateway.playing_worker import Heard, answer, listen, say, submit, take


def test_events_arrive_while_they_happen(client: httpx.Client, job_store: JobStore) -> None:
    """Given an open stream, when the worker goes on step by step, then each event arrives before the next happens."""
    job = submit(client)
    stream = listen(client, job)
    assert next(stream).type == "queued"
    running = take(job_store)
    assert next(stream).type == "running"
    for offset in range(3):
        say(job_store, running, offset, "x")
        assert next(stream).data["offset"] == offset
    answer(job_store, running)
    last = next(stream)
    assert (last.type, last.data["job"]["result"]["text"]) == ("succeeded", "42")
    assert list(stream) == []


def test_reconnecting_leaves_no_gap_and_no_double(client: httpx.Client, job_store: JobStore) -> None:
    """Given a worker that never pauses, when a listener comes back again and again, then it hears all once."""
    job = submit(client)
    running = take(job_store)

    def work() -> None:
        for offset in range(400):
            say(job_store, running, offset, "x")
            time.sleep(0.001)
        answer(job_store, running)

    worker = threading.Thread(target=work)
    worker.start()
    heard: list[Heard] = []
    connections = 0
    while not heard or heard[-1].type != "succeeded":
        connections += 1
        for event in listen(client, job, heard[-1].id if heard else None):
            heard.append(event)
            if len(heard) % 23 == 0:
                break
    worker.join()
    assert connections > 10
    assert [event.type for event in heard[:2]] == ["queued", "running"]
    assert [event.data["offset"] for event in heard[2:-1]] == list(range(400))
    assert list(listen(client, job, heard[-1].id)) == []


def test_many_listeners_hear_the_same(client: httpx.Client, gateway: GatewayProcess, job_store: JobStore) -> None:
    """Given ten listeners of one job, when it is done, then all of them heard every event."""
    job = submit(client)
    heard: list[list[Heard]] = [[] for _ in range(10)]

    def hear(into: list[Heard]) -> None:
        with httpx.Client(base_url=gateway.url, timeout=30) as own:
            into.extend(listen(own, job))

    listeners = [threading.Thread(target=hear, args=(into,)) for into in heard]
    for listener in listeners:
        listener.start()
    running = take(job_store)
    for offset in range(5):
        say(job_store, running, offset, "x")
    answer(job_store, running)
    for listener in listeners:
        listener.join(20)
    assert len(heard[0]) == 8
    assert all(story == heard[0] for story in heard)


def test_a_long_poll_is_woken_by_the_notice(client: httpx.Client, gateway: GatewayProcess, job_store: JobStore) -> None:
    """Given a gateway that hardly looks for itself, when the job ends, then the long poll answers at once."""
    job = submit(client)
    running = take(job_store)
    done_at_s: list[float] = []

    def end() -> None:
        time.sleep(0.5)
        answer(job_store, running)
        done_at_s.append(time.monotonic())

    worker = threading.Thread(target=end)
    worker.start()
    body = client.get(job["links"]["self"], params={"wait": 30}).json()
    answered_at_s = time.monotonic()
    worker.join()
    assert body["status"] == "succeeded"
    # The gateway's own look comes after 60 s, so only the notice explains an answer within seconds.
    assert answered_at_s - done_at_s[0] < 5


def test_prefer_wait_answers_the_result(client: httpx.Client, job_store: JobStore) -> None:
    """Given Prefer: wait, when a worker answers meanwhile, then the submission returns the result."""

    def work() -> None:
        while not job_store.run(operations.overview()).lanes[Lane.INTERACTIVE].waiting:
            time.sleep(0.01)
        answer(job_store, take(job_store))

    worker = threading.Thread(target=work)
    worker.start()
    response = client.post("/v1/jobs", json={"question": "q"}, headers={"Prefer": "wait=20"})
    worker.join()
    assert (response.status_code, response.json()["result"]["text"]) == (200, "42")
