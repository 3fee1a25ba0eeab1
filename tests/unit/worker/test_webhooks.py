"""Deliveries of one round: what one receiver answers stays its own affair."""

import socket
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from common.store import JobStore
from tests.support.notified_jobs import PUBLIC, SECRET, end_job, looked_up, webhook_of
from worker.settings import WorkerSettings
from worker.webhooks import WebhookSender


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, httpx.Response]:
    """What each receiver answers, by the host that it is asked for; every name is public."""
    by_host: dict[str, httpx.Response] = {}

    async def handle(_transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return by_host[request.headers["Host"].partition(":")[0]]

    def look_up(_host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        return looked_up((PUBLIC,), port)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return by_host


@pytest.mark.parametrize(
    ("location", "error"), [("mailto:x", "InvalidURL"), ("foo:bar", "InvalidURL"), ("http://xn--/", "IDNAError")]
)
def test_a_redirect_that_cannot_be_read_costs_its_own_notification_only(
    memory_store: JobStore, answers: dict[str, httpx.Response], location: str, error: str
) -> None:
    """Given a receiver that redirects to no address, when delivered beside a good one, then both are recorded."""
    answers["bad.example"] = httpx.Response(302, headers={"Location": location})
    answers["good.example"] = httpx.Response(204)
    bad, good = (end_job(memory_store, f"https://{host}/done") for host in answers)
    WebhookSender(memory_store, WorkerSettings(webhook_secret=SecretStr(SECRET))).round()
    assert webhook_of(memory_store, good).status == "delivered"
    failed = webhook_of(memory_store, bad)
    assert failed.status == "pending"
    assert error in (failed.last_error or "")
