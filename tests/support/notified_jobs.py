"""Jobs that ended and whose notification is due."""

import socket
from typing import Any

from common import operations
from common.jobs import Lane, WebhookState
from common.store import JobStore
from tests.support.values import new_job, result

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
PUBLIC = "93.184.215.14"


def end_job(store: JobStore, webhook_url: str) -> str:
    """Leave a job that ended and whose notification is due at the address; return its id."""
    job = new_job(webhook_url=webhook_url)
    store.run(operations.submit(job, 1_000_000, 3_600))
    claimed = store.run(operations.claim("w1", Lane.INTERACTIVE, 20_000))
    assert claimed is not None
    assert store.run(operations.succeed(job.id, claimed.job.fencing_token, result()))
    return job.id


def webhook_of(store: JobStore, job_id: str) -> WebhookState:
    """Return what became of a job's notification."""
    described = store.run(operations.describe(job_id, "alice"))
    assert described is not None
    assert described.job.webhook is not None
    return described.job.webhook


def looked_up(addresses: tuple[str, ...], port: int) -> list[tuple[Any, ...]]:
    """Return addresses as `socket.getaddrinfo` does."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]
