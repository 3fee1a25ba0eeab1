"""POST /v1/jobs: which webhook addresses are taken."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.unit.gateway import conftest
from tests.unit.gateway.conftest import PUBLIC_ADDRESS, MakeClient
from tests.unit.gateway.problems import problem

QUESTION = {"question": "What was revenue?"}
SLOW_HOSTS = 20


@dataclass
class SlowNames:
    """Resolves every host, those that begin with `slow` only once `over` is set; `begun` counts these."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, host: str, _port: int) -> tuple[str, ...]:
        if host.startswith("slow"):
            self.begun.release()
            self.over.wait(60)
        return (PUBLIC_ADDRESS,)


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    """The gateway's resolver."""
    names = SlowNames()
    monkeypatch.setattr(conftest, "names", names)
    yield names
    names.over.set()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "http://169.254.169.254/latest/meta-data",
        "https://db.internal/hook",
        "https://nowhere.invalid/hook",
        "https://user:pw@example.com/hook",
        "ftp://example.com/",
        "http://[::ffff:10.0.0.1]/",
        "http://exa\u0000mple.com/",
    ],
)
async def test_webhooks_to_forbidden_places_are_refused(client: httpx.AsyncClient, url: str) -> None:
    """Given a webhook to a private, unknown or malformed address, when submitted, then 422 names the field."""
    body = problem(await client.post("/v1/jobs", json=QUESTION | {"webhook": url}), 422, "webhook_target_refused")
    assert body["errors"][0]["field"] == "webhook"


async def test_webhooks_to_public_places_are_kept(client: httpx.AsyncClient) -> None:
    """Given a public webhook, when submitted, then the job shows that it waits for the end."""
    job = (await client.post("/v1/jobs", json=QUESTION | {"webhook": "https://example.com/hook"})).json()
    assert job["webhook"] == {"url": "https://example.com/hook", "status": "waiting", "attempts": 0, "last_error": None}


async def test_private_webhooks_can_be_allowed(make_client: MakeClient) -> None:
    """Given the operator's leave, when a loopback webhook is submitted, then it is accepted."""
    async with make_client(allow_private_webhooks=True) as client:
        response = await client.post("/v1/jobs", json=QUESTION | {"webhook": "http://127.0.0.1:9/hook"})
        assert response.status_code == 202


async def test_hosts_that_are_slow_to_resolve_delay_no_other_submission(
    slow_names: SlowNames, make_client: MakeClient
) -> None:
    """Given submissions whose hosts hang in their look-ups, when another comes, then it is accepted meanwhile."""

    async def submit(host: str) -> int:
        return (await client.post("/v1/jobs", json=QUESTION | {"webhook": f"https://{host}/hook"})).status_code

    async with make_client() as client:
        slow = asyncio.gather(*(submit(f"slow{number}.example") for number in range(SLOW_HOSTS)))
        assert await asyncio.to_thread(lambda: all(slow_names.begun.acquire(timeout=4) for _ in range(8)))
        assert await submit("good.example") == 202
        slow_names.over.set()
        await slow
