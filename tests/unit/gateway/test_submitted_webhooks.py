"""POST /v1/jobs: which webhook addresses are taken."""

import httpx
import pytest

from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

QUESTION = {"question": "What was revenue?"}


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
