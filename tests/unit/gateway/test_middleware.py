"""Around every request: ids, security headers, host names, header limits, and the last resort."""

from collections.abc import Callable

import fakeredis
import httpx
import pytest
from fastapi import FastAPI

from api import middleware
from api.keys import new_api_key
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem
from tests.unit.gateway.test_jobs import submit


async def test_request_ids_are_echoed_or_made(client: httpx.AsyncClient) -> None:
    """Given a sound id, then it comes back; given none or an odd one, then a new one is made."""
    assert (await client.get("/livez", headers={"X-Request-ID": "abc-1"})).headers["X-Request-ID"] == "abc-1"
    for odd in ("a b", "x" * 65, "\u00e9", "<script>"):
        response = await client.get("/livez", headers={b"X-Request-ID": odd.encode("latin-1")})
        assert len(response.headers["X-Request-ID"]) == 16


@pytest.mark.parametrize("path", ["/livez", "/v1/jobs", "/nowhere", "/static/nothing.js", "/openapi.json"])
async def test_every_answer_has_security_headers_and_no_cors(client: httpx.AsyncClient, path: str) -> None:
    """Given any answer, also an error, when a foreign page asks, then it may neither read nor frame nor guess types."""
    response = await client.get(path, headers={"Origin": "https://evil.example"})
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["Cache-Control"] == "no-store"
    assert not [name for name in response.headers if name.startswith("access-control")]
    assert "server" not in response.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::2]", ""])
async def test_foreign_host_names_are_refused_without_keys(client: httpx.AsyncClient, host: str) -> None:
    """Given no keys, when a name that an attacker points here is asked for, then 421."""
    problem(await client.get("/livez", headers={"Host": host}), 421, "wrong_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])
async def test_loopback_names_are_served(client: httpx.AsyncClient, host: str) -> None:
    """Given a loopback name with any port, when asked for, then it is served."""
    assert (await client.get("/livez", headers={"Host": host})).status_code == 200


async def test_metrics_behind_a_key_are_served_under_any_host_name(make_client: MakeClient) -> None:
    """Given keys and a list of hosts, when a scraper asks for an address, then the key decides; others get 421."""
    key, entry = new_api_key("prometheus")
    by_address = {"Host": "172.18.0.5:8000"}
    with_key = by_address | {"Authorization": f"Bearer {key}"}
    async with make_client(api_key_hashes=entry, api_allowed_hosts="reports.example.com") as client:
        assert (await client.get("/metrics", headers=with_key)).status_code == 200
        problem(await client.get("/metrics", headers=by_address), 401, "unauthorized")
        for path in ("/v1/jobs", "/livez", "/metrics/"):
            problem(await client.get(path, headers=with_key), 421, "wrong_host")


async def test_metrics_without_keys_are_for_allowed_hosts_only(client: httpx.AsyncClient) -> None:
    """Given no keys, when metrics are asked for under a foreign name, then 421."""
    problem(await client.get("/metrics", headers={"Host": "evil.example"}), 421, "wrong_host")


@pytest.mark.parametrize(
    "headers", [[(f"X-{number}", "x") for number in range(120)], [("X-Big", "x" * 40_000)]], ids=["many", "large"]
)
async def test_header_bombs_are_refused(client: httpx.AsyncClient, headers: list[tuple[str, str]]) -> None:
    """Given too many or too large headers, when sent, then 431."""
    problem(await client.get("/livez", headers=headers), 431, "headers_too_large")


async def test_a_crash_tells_nothing_of_the_inside(
    make_app: Callable[..., FastAPI], make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a defect, when a request meets it, then 500 is a problem without its message, and the log has it."""
    app = make_app()

    async def crash(*_arguments: object) -> None:
        raise RuntimeError("password=hunter2")

    logged: list[str] = []
    monkeypatch.setattr(middleware.log, "exception", logged.append)
    async with make_client(app) as client:
        monkeypatch.setattr(type(app.state.gateway.service), "page", crash)
        response = await client.get("/v1/jobs")
    body = problem(response, 500, "internal_error")
    assert "hunter2" not in response.text
    assert "X-Request-ID" in body["detail"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert logged == ["request_crashed"]


async def test_redis_away_is_503_everywhere(client: httpx.AsyncClient, redis_server: fakeredis.FakeServer) -> None:
    """Given no Redis, when any route is asked, then 503 with Retry-After and no address of the server."""
    path = await submit(client)
    redis_server.connected = False
    for method, address in (
        ("GET", "/v1/jobs"), ("GET", path), ("GET", f"{path}/events"), ("POST", f"{path}/cancel"), ("POST", "/v1/jobs"),
    ):  # fmt: skip
        response = await client.request(method, address, json={"question": "q"} if method == "POST" else None)
        problem(response, 503, "unavailable")
        assert int(response.headers["Retry-After"]) >= 1
        assert "6379" not in response.text


async def test_unknown_addresses_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    """Given an unknown address or method, when asked, then 404 or 405, the latter with all methods that work."""
    problem(await client.get("/v2/jobs"), 404, "not_found")
    problem(await client.get("/v1/jobs/"), 404, "not_found")
    response = await client.delete("/v1/jobs")
    problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, POST"
    problem(await client.put("/livez"), 405, "method_not_allowed")
