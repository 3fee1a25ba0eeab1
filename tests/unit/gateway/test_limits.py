"""What one caller may use: requests a minute and jobs that have not ended."""

import asyncio

import fakeredis
import httpx
import pytest
from pydantic import ValidationError

from api.settings import ApiSettings, CallerLimits
from common.request_rates import RequestQuota, take_request
from common.store import JobStore
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem
from tests.unit.gateway.test_auth import ALICE, ALICE_NEW, BOB, HASHES, bearer

CHAT = {"model": "financellm", "messages": [{"role": "user", "content": "q"}]}


async def test_a_caller_over_its_rate_is_told_when_to_come_back(make_client: MakeClient) -> None:
    """Given three requests a minute, when four come, with two keys of one caller, then the last is refused."""
    async with make_client(api_key_hashes=HASHES, api_requests_per_minute=3) as client:
        answers = [await client.get("/v1/jobs", headers=bearer(key)) for key in (ALICE, ALICE_NEW, ALICE)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert [answer.headers["X-RateLimit-Remaining-Requests"] for answer in answers] == ["2", "1", "0"]
        assert answers[0].headers["RateLimit-Policy"] == '"requests";q=3;w=60'
        assert answers[0].headers["RateLimit"] == '"requests";r=2;t=20'
        refused = await client.post("/v1/jobs", content=b"not read", headers=bearer(ALICE_NEW))
        body = problem(refused, 429, "rate_limited")
        assert body["error"]["code"] == "rate_limit_exceeded"
        assert 18 <= int(refused.headers["Retry-After"]) <= 20
        assert refused.headers["X-RateLimit-Remaining-Requests"] == "0"
        # Others are not affected, nor is the probe of a platform.
        assert (await client.get("/v1/jobs", headers=bearer(BOB))).status_code == 200
        assert (await client.get("/livez")).status_code == 200


async def test_refusals_count_and_carry_the_headers_too(make_client: MakeClient) -> None:
    """Given a rate, when a request is refused for another reason, then it counted and says what is left."""
    async with make_client(api_requests_per_minute=5) as client:
        refused = await client.get("/v1/jobs/nonsense")
        assert refused.status_code == 404
        assert refused.headers["X-RateLimit-Remaining-Requests"] == "4"


async def test_strangers_learn_nothing_of_rates(make_client: MakeClient) -> None:
    """Given a rate, when a request has no valid key, then it counts for nobody and no header tells the rate."""
    async with make_client(api_key_hashes=HASHES, api_requests_per_minute=1) as client:
        for _ in range(3):
            refused = await client.get("/v1/jobs", headers=bearer("wrong"))
            assert refused.status_code == 401
            assert not [name for name in refused.headers if "ratelimit" in name]
        assert (await client.get("/v1/jobs", headers=bearer(ALICE))).status_code == 200


async def test_without_limits_no_header_speaks_of_them(client: httpx.AsyncClient) -> None:
    """Given no limits, when many requests come, then none is refused and no header is there."""
    for _ in range(10):
        answer = await client.get("/v1/jobs")
        assert answer.status_code == 200
        assert not [name for name in answer.headers if "ratelimit" in name]


async def test_without_redis_the_rate_stands_in_nobodys_way(
    make_client: MakeClient, redis_server: fakeredis.FakeServer
) -> None:
    """Given no Redis, when metrics are asked, which need none, then the rate does not refuse them."""
    async with make_client(api_requests_per_minute=1) as client:
        redis_server.connected = False
        for _ in range(3):
            assert (await client.get("/metrics")).status_code == 200


async def test_a_caller_has_only_so_many_event_streams_at_once(make_client: MakeClient) -> None:
    """Given one stream at once, when a second comes as events or chat, then 429 says so, until the first has ended."""
    async with make_client(api_key_hashes=HASHES, max_caller_streams=1) as client:

        async def submit(key: str) -> str:
            accepted = await client.post("/v1/jobs", json={"question": "q"}, headers=bearer(key))
            return str(accepted.headers["Location"])

        path, other = await submit(ALICE), await submit(BOB)
        streams = [
            asyncio.create_task(client.get(f"{one}/events", headers=bearer(key)))
            for one, key in ((path, ALICE), (other, BOB))
        ]
        await asyncio.sleep(0.1)
        refused = await client.get(f"{path}/events", headers=bearer(ALICE_NEW))
        assert "1 event streams of yours" in problem(refused, 429, "too_many_streams")["detail"]
        assert refused.headers["Retry-After"] == "5"
        chat = await client.post("/v1/chat/completions", json=CHAT | {"stream": True}, headers=bearer(ALICE))
        problem(chat, 429, "too_many_streams")
        # A stream bounds no look, and others have their own.
        assert (await client.get(path, headers=bearer(ALICE))).status_code == 200
        for one, key in ((path, ALICE), (other, BOB)):
            await client.post(f"{one}/cancel", headers=bearer(key))
        assert [(await stream).status_code for stream in streams] == [200, 200]
        assert (await client.get(f"{path}/events", headers=bearer(ALICE))).status_code == 200


async def test_a_caller_has_only_so_many_jobs_at_once(make_client: MakeClient) -> None:
    """Given two jobs at once, when a third comes as job or chat, then 429, until one of the two has ended."""
    settings = {"api_key_hashes": HASHES, "api_max_open_jobs": 2, "chat_wait_s": 0.05}
    async with make_client(**settings) as client:

        async def submit(key: str, **headers: str) -> httpx.Response:
            return await client.post("/v1/jobs", json={"question": "q"}, headers=bearer(key) | headers)

        first = await submit(ALICE, **{"Idempotency-Key": '"k"'})
        assert [first.status_code, (await submit(ALICE_NEW)).status_code] == [202, 202]
        refused = await submit(ALICE)
        problem(refused, 429, "too_many_jobs")
        assert int(refused.headers["Retry-After"]) >= 1
        chat = await client.post("/v1/chat/completions", json=CHAT, headers=bearer(ALICE))
        problem(chat, 429, "too_many_jobs")
        # What was accepted already is answered again, and others have their own two.
        assert (await submit(ALICE, **{"Idempotency-Key": '"k"'})).status_code == 202
        assert (await submit(BOB)).status_code == 202
        await client.post(f"/v1/jobs/{first.json()['id']}/cancel", headers=bearer(ALICE))
        assert (await submit(ALICE)).status_code == 202
        problem(await submit(ALICE), 429, "too_many_jobs")


def test_a_rate_is_earned_back_evenly(memory_store: JobStore) -> None:
    """Given a rate used up, when the time told has passed, then one request fits and no second."""
    quotas = [memory_store.run(take_request("alice", 120)) for _ in range(120)]
    assert all(quota.admitted for quota in quotas)
    refused = RequestQuota(True, 0, 0, 0)
    while refused.admitted:
        refused = memory_store.run(take_request("alice", 120))
    assert 0 < refused.again_in_ms <= 500
    assert refused.left == 0
    assert memory_store.run(take_request("bob", 120)).left == 119


async def test_the_wait_that_is_told_is_enough(make_client: MakeClient) -> None:
    """Given a rate used up, when a client waits as long as it was told, then its next request is served."""
    async with make_client(api_requests_per_minute=60) as client:
        answer = await client.get("/v1/jobs")
        while answer.status_code == 200:
            answer = await client.get("/v1/jobs")
        await asyncio.sleep(int(answer.headers["Retry-After"]))
        assert (await client.get("/v1/jobs")).status_code == 200


def test_single_callers_may_have_other_limits() -> None:
    """Given limits for all and for one caller, when asked, then the one has its own, zero being no limit."""
    settings = ApiSettings(api_requests_per_minute=60, api_max_open_jobs=5, api_caller_limits="alice=600/0, bob=1/2")
    assert settings.limits_of("alice") == CallerLimits(600, 0)
    assert settings.limits_of("bob") == CallerLimits(1, 2)
    assert settings.limits_of("carol") == CallerLimits(60, 5)


@pytest.mark.parametrize("entry", ["alice", "alice=1", "alice=-1/2", "alice=1/x", "=1/2", "al ice=1/2"])
def test_malformed_limits_are_refused(entry: str) -> None:
    """Given limits that cannot be read, when settings load, then they are refused."""
    with pytest.raises(ValidationError, match="REQUESTS_PER_MINUTE"):
        ApiSettings(api_caller_limits=entry)
