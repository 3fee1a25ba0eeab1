"""Deliveries of one round: what one receiver answers stays its own affair."""

import socket
import threading
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from common.store import JobStore
from tests.support.notified_jobs import PUBLIC, SECRET, end_job, looked_up, webhook_of
from worker.settings import WorkerSettings
from worker.webhooks import MOST_A_ROUND, WebhookSender


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, httpx.Response]:
    """What each receiver answers, by the host that it is asked for, else 503.

    Every name is public; one that begins with `slow` is resolved once some receiver was asked.
    """
    by_host: dict[str, httpx.Response] = {}
    asked = threading.Event()

    async def handle(_transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        asked.set()
        return by_host.get(request.headers["Host"].partition(":")[0], httpx.Response(503))

    def look_up(host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        if host.startswith("slow"):
            asked.wait(20)
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


def test_names_that_are_slow_to_resolve_cost_their_own_notifications_only(
    memory_store: JobStore, answers: dict[str, httpx.Response]
) -> None:
    """Given a round of slow names and one good one behind them, when delivered, then the good one does not wait."""
    answers["good.example"] = httpx.Response(204)
    slow = [end_job(memory_store, f"https://slow{number}.example/done") for number in range(MOST_A_ROUND - 1)]
    good = end_job(memory_store, "https://good.example/done")
    WebhookSender(memory_store, WorkerSettings(webhook_secret=SecretStr(SECRET))).round()
    assert webhook_of(memory_store, good).status == "delivered"
    assert {webhook_of(memory_store, job_id).status for job_id in slow} == {"pending"}
