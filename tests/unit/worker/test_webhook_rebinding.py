"""Where notifications go: to the address that was checked, whatever a name resolves to a moment later."""

import socket
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from common.jobs import WebhookState
from common.store import JobStore
from tests.support.notified_jobs import PUBLIC, SECRET, end_job, looked_up, webhook_of
from worker.settings import WorkerSettings
from worker.webhooks import WebhookSender

PRIVATE = ["10.0.0.7", "169.254.169.254", "::1", "::ffff:169.254.169.254", "::ffff:7f00:1", "fd00::1", "64:ff9b::a00:7"]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """What would have been sent, in place of sending it."""
    requests: list[httpx.Request] = []

    async def send(_client: httpx.AsyncClient, request: httpx.Request, **_options: Any) -> httpx.Response:
        requests.append(request)
        return httpx.Response(204, request=request)

    monkeypatch.setattr(httpx.AsyncClient, "send", send)
    return requests


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What a name resolves to at each look-up, the last answer for ever."""
    answers: list[tuple[str, ...]] = []

    def look_up(_host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return looked_up(found, port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return answers


@pytest.fixture
def due(memory_store: JobStore) -> str:
    """A job that ended and whose notification is due."""
    return end_job(memory_store, "https://hooks.example:8443/done")


def deliver(store: JobStore, job_id: str) -> WebhookState:
    """Try what is due, and return what became of the job's notification."""
    WebhookSender(store, WorkerSettings(webhook_secret=SecretStr(SECRET))).round()
    return webhook_of(store, job_id)


def test_the_connection_goes_to_the_address_that_was_checked(
    memory_store: JobStore, due: str, names: list[tuple[str, ...]], sent: list[httpx.Request]
) -> None:
    """Given a name that is private from its second look-up on, when delivered, then it is looked up once only."""
    names += [(PUBLIC,), ("10.0.0.7",)]
    assert deliver(memory_store, due).status == "delivered"
    (request,) = sent
    assert (request.url.host, request.url.port) == (PUBLIC, 8443)
    assert request.headers["Host"] == "hooks.example:8443"
    assert request.extensions["sni_hostname"] == "hooks.example"


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_became_private_gets_nothing(
    memory_store: JobStore, due: str, names: list[tuple[str, ...]], sent: list[httpx.Request], address: str
) -> None:
    """Given a name that turned private after acceptance, also as IPv4 in IPv6, when due, then nothing is sent."""
    names += [(PUBLIC, address)]
    state = deliver(memory_store, due)
    assert state.status == "pending"
    assert "private" in (state.last_error or "")
    assert not sent
