"""What tests do in a worker's place."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import httpx_sse

from common import operations
from common.jobs import Job, Lane
from common.store import JobStore
from tests.support.values import result


def take(store: JobStore, lane: Lane = Lane.INTERACTIVE) -> Job:
    """Claim the next job."""
    claimed = store.run(operations.claim("w1", lane, 20_000))
    assert claimed is not None
    return claimed.job


def say(store: JobStore, job: Job, offset: int, text: str) -> None:
    """Append text to a job's answer."""
    store.run(operations.progress([(job.id, job.fencing_token, {"attempt": 1, "offset": offset, "text": text})]))


def answer(store: JobStore, job: Job, text: str = "42") -> None:
    """End a job with its answer."""
    assert store.run(operations.succeed(job.id, job.fencing_token, result(text)))


def submit(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """Submit a question and return the job."""
    response = client.post("/v1/jobs", json={"question": "q"} | fields)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    return job


@dataclass(frozen=True)
class Heard:
    """One event as a listener got it."""

    id: str
    type: str
    data: dict[str, Any]


def listen(client: httpx.Client, job: dict[str, Any], last_event_id: str | None = None) -> Iterator[Heard]:
    """Yield a job's events as they come, until the stream ends."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    with httpx_sse.connect_sse(client, "GET", job["links"]["events"], headers=headers) as source:
        if source.response.status_code == 204:
            return
        for event in source.iter_sse():
            if event.data:
                yield Heard(event.id, event.event, event.json())
