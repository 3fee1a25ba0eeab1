"""Event streams of jobs that end: order, ids, replay from any event, and the last event's content."""

import json
from typing import Any

import httpx
import pytest

from common import operations
from common.jobs import Lane
from common.store import JobStore
from tests.support.values import result
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem
from tests.unit.gateway.test_jobs import finish, submit, take


def events(text: str) -> list[dict[str, Any]]:
    """The events of a finished stream, comments left out."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "event" in fields:
            found.append({"id": fields["id"], "type": fields["event"], "data": json.loads(fields["data"])})
    return found


async def finished_job(client: httpx.AsyncClient, store: JobStore) -> str:
    """A job with two pieces of text, answered."""
    path = await submit(client)
    job = take(store).job
    for offset, text in ((0, "4"), (1, "2\n\r\u2028x")):
        data = {"attempt": 1, "offset": offset, "text": text}
        store.run(operations.progress([(job.id, job.fencing_token, data)]))
    store.run(operations.succeed(job.id, job.fencing_token, result("42")))
    return path


async def test_a_late_listener_gets_the_whole_story(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given an ended job, when followed, then every event comes in order and the last one carries the job."""
    path = await finished_job(client, worker_store)
    response = await client.get(f"{path}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.startswith("retry: ")
    story = events(response.text)
    assert [event["type"] for event in story] == ["queued", "running", "token", "token", "succeeded"]
    assert [event["id"] for event in story] == sorted({event["id"] for event in story})
    assert "".join(event["data"]["text"] for event in story if event["type"] == "token") == "42\n\r\u2028x"
    assert story[-1]["data"]["job"] == (await client.get(path)).json()


@pytest.mark.parametrize("where", ["header", "query"])
async def test_every_event_is_a_place_to_go_on(client: httpx.AsyncClient, worker_store: JobStore, where: str) -> None:
    """Given any event's id, when followed from it, then exactly the later events come; from the last one, 204."""
    path = await finished_job(client, worker_store)
    story = events((await client.get(f"{path}/events")).text)
    for index, event in enumerate(story):
        if where == "header":
            response = await client.get(f"{path}/events", headers={"Last-Event-ID": event["id"]})
        else:
            response = await client.get(f"{path}/events?last_event_id={event['id']}")
        assert events(response.text) == story[index + 1 :]
        assert response.status_code == (204 if event is story[-1] else 200)


async def test_long_stories_are_complete(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given more events than one page of the log, when followed, then none is missing or doubled."""
    path = await submit(client)
    job = take(worker_store).job
    for number in range(1_203):
        worker_store.run(operations.progress([(job.id, job.fencing_token, {"offset": number})]))
    worker_store.run(operations.succeed(job.id, job.fencing_token, result()))
    offsets = [event["data"].get("offset") for event in events((await client.get(f"{path}/events")).text)]
    assert offsets[2:-1] == list(range(1_203))


async def test_a_stream_ends_with_its_lifetime_and_says_so(make_client: MakeClient) -> None:
    """Given a job that goes on, when the stream's time is over, then a comment asks to reconnect."""
    async with make_client(event_stream_lifetime_s=0.2, heartbeat_s=0.05) as client:
        text = (await client.get(f"{await submit(client)}/events")).text
    assert [event["type"] for event in events(text)] == ["queued"]
    comments = [line for line in text.splitlines() if line.startswith(":")]
    assert comments.count(": still here") >= 1
    assert "reconnect with Last-Event-ID" in comments[-1]


async def test_a_lost_worker_is_part_of_the_story(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given a job that was handed back and done by another worker, when followed, then both attempts show."""
    path = await submit(client)
    job = take(worker_store).job
    worker_store.run(operations.release(job.id, job.fencing_token, "draining"))
    finish(worker_store)
    story = events((await client.get(f"{path}/events")).text)
    assert [event["type"] for event in story] == ["queued", "running", "requeued", "running", "succeeded"]


@pytest.mark.parametrize("value", ["x", "1", "1-2-3", "99999999999999999999999-0"])
async def test_malformed_event_ids_are_refused(client: httpx.AsyncClient, value: str) -> None:
    """Given an id no stream sent, when followed from it, then 400 before anything is streamed."""
    path = await submit(client)
    problem(await client.get(f"{path}/events", headers={"Last-Event-ID": value}), 400, "malformed_header")
    for headers in ({}, {"Last-Event-ID": "1-0"}):
        response = await client.get(f"{path}/events?last_event_id={value}", headers=headers)
        problem(response, 400, "malformed_header")


async def test_an_id_from_the_future_waits_for_what_comes(make_client: MakeClient) -> None:
    """Given an id later than any event of a running job, when followed, then nothing old comes again."""
    async with make_client(event_stream_lifetime_s=0.2) as client:
        text = (await client.get(f"{await submit(client)}/events?last_event_id=9999999999999-0")).text
    assert events(text) == []


async def test_open_streams_are_counted(make_client: MakeClient, worker_store: JobStore) -> None:
    """Given a stream that ended, when metrics are read, then none is counted as open."""
    async with make_client() as client:
        await client.get(f"{await finished_job(client, worker_store)}/events")
        assert "financellm_event_listeners 0.0" in (await client.get("/metrics")).text
        assert worker_store.run(operations.claim("w", Lane.BULK, 1_000)) is None
