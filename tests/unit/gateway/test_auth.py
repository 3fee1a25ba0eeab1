"""API keys, and that callers never see each other's jobs."""

import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest

from api.auth import Authenticator
from common.errors import UnauthorizedError
from tests.unit.gateway.conftest import MakeClient

ALICE, ALICE_NEW, BOB = "alice-key", "alice-new-key", "bob-key"


def digest(key: str) -> bytes:
    """The hash under which a key is configured."""
    return hashlib.sha256(key.encode()).digest()


HASHES = ",".join(
    f"{caller}={digest(key).hex()}" for caller, key in (("alice", ALICE), ("alice", ALICE_NEW), ("bob", BOB))
)


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def guarded(make_client: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with two callers."""
    async with make_client(api_key_hashes=HASHES) as client:
        yield client


def test_keys_name_their_caller_also_while_one_is_changed() -> None:
    """Given two keys of one caller, when either is shown, then the caller is the same."""
    authenticator = Authenticator([("alice", digest(ALICE)), ("alice", digest(ALICE_NEW)), ("bob", digest(BOB))])
    assert authenticator.caller(f"Bearer {ALICE}") == "alice"
    assert authenticator.caller(f"bearer  {ALICE_NEW}") == "alice"
    assert authenticator.caller(f"Bearer {BOB}") == "bob"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", f"Basic {ALICE}", "Bearer wrong", ALICE, "Bearer é"])
def test_anything_else_is_refused(header: str | None) -> None:
    """Given no header, another scheme or an unknown key, when asked, then nobody is named."""
    with pytest.raises(UnauthorizedError):
        Authenticator([("alice", digest(ALICE))]).caller(header)


def test_without_keys_everyone_is_local() -> None:
    """Given no configured keys, when any header comes, then the caller is local."""
    assert Authenticator([]).caller(None) == "local"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/x"),
        ("GET", "/v1/jobs/x/events"),
        ("POST", "/v1/jobs/x/cancel"),
        ("GET", "/v1/models"),
        ("GET", "/metrics"),
    ],
)
async def test_every_route_but_health_needs_a_key(guarded: httpx.AsyncClient, method: str, path: str) -> None:
    """Given configured keys, when a request has none, then 401 says how to send one, before the body is read."""
    response = await guarded.request(method, path, content=b"not json")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == "unauthorized"


async def test_health_needs_none(guarded: httpx.AsyncClient) -> None:
    """Given configured keys, when a platform probes without one, then it is answered."""
    assert (await guarded.get("/livez")).status_code == 200
    assert (await guarded.get("/readyz")).status_code == 503


async def test_callers_never_see_each_others_jobs(guarded: httpx.AsyncClient) -> None:
    """Given Alice's job, when Bob tries every route of it, then it looks the same to him as a job that never was."""
    job = (await guarded.post("/v1/jobs", json={"question": "q"}, headers=bearer(ALICE))).json()
    path = f"/v1/jobs/{job['id']}"
    never = f"/v1/jobs/job_{'0' * 28}"
    for method, suffix in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("GET", "?wait=1")):
        hers = await guarded.request(method, path + suffix, headers=bearer(BOB))
        none = await guarded.request(method, never + suffix, headers=bearer(BOB))
        assert (hers.status_code, hers.json()["code"]) == (none.status_code, none.json()["code"]) == (404, "not_found")
    assert (await guarded.get("/v1/jobs", headers=bearer(BOB))).json()["data"] == []
    assert (await guarded.get(path, headers=bearer(ALICE_NEW))).json()["status"] == "queued"


async def test_idempotency_keys_belong_to_a_caller(guarded: httpx.AsyncClient) -> None:
    """Given the same key from two callers, when both submit, then each has a job of its own."""
    ids = set()
    for key in (ALICE, BOB):
        headers = bearer(key) | {"Idempotency-Key": '"k"'}
        ids.add((await guarded.post("/v1/jobs", json={"question": "q"}, headers=headers)).json()["id"])
    assert len(ids) == 2


async def test_a_cursor_of_another_caller_shows_nothing(guarded: httpx.AsyncClient) -> None:
    """Given Alice's job id, when Bob uses it as a cursor, then only his own jobs can follow."""
    for key in (BOB, ALICE):
        last = (await guarded.post("/v1/jobs", json={"question": "q"}, headers=bearer(key))).json()["id"]
    page = (await guarded.get(f"/v1/jobs?after={last}", headers=bearer(BOB))).json()
    assert len(page["data"]) == 1
    assert page["data"][0]["id"] != last
