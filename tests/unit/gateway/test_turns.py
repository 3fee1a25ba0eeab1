"""Refused clients over two gateways: who comes back when told gets in, whichever gateway it asks."""

import asyncio
from typing import Any

import httpx

from common.jobs import Lane
from common.operations import claim, heartbeat
from common.store import JobStore
from tests.support.values import WORKER
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

# A job of this size takes half a second of what the worker says it does.
MAX_TOKENS = 400
RATE = 1_000.0
CLIENTS = 5


def question(number: int) -> dict[str, Any]:
    return {"question": f"Question {number:03}", "max_tokens": MAX_TOKENS, "system": "s"}


async def drain(store: JobStore, cost_tokens: int) -> None:
    """Take jobs at the measured rate."""
    while True:
        await asyncio.sleep(cost_tokens / RATE)
        store.run(claim("w1", Lane.INTERACTIVE, 20_000))


async def test_refused_clients_get_in_at_their_first_return_at_any_gateway(
    make_client: MakeClient, worker_store: JobStore
) -> None:
    # Given two gateways over one full queue, and clients of which each was refused by one of them
    worker_store.run(heartbeat(WORKER.model_copy(update={"tokens_per_second": RATE}), 1_000, []))
    async with make_client(max_backlog_tokens=3_000) as one, make_client(max_backlog_tokens=3_000) as other:
        number = 0
        while (response := await one.post("/v1/jobs", json=question(number))).status_code == 202:
            cost_tokens = response.json()["prompt_tokens"] + MAX_TOKENS
            number += 1
        refused = [(question(100 + client), (one, other)[client % 2]) for client in range(CLIENTS)]
        waits_s = [_told_s(await gateway.post("/v1/jobs", json=body)) for body, gateway in refused]
        # When the queue drains at its rate, newcomers push in, and each client asks the other gateway when it was told
        draining = asyncio.create_task(drain(worker_store, cost_tokens))
        newcomers = asyncio.create_task(_push_in(one, max(waits_s)))
        outcomes = await asyncio.gather(
            *(
                _return(other if gateway is one else one, body, wait_s)
                for (body, gateway), wait_s in zip(refused, waits_s, strict=True)
            )
        )
        draining.cancel()
        # Then they were told times one after the other, each got in, and no newcomer took what was theirs
        assert waits_s == sorted(waits_s)
        assert waits_s[-1] > waits_s[0]
        assert outcomes == [202] * CLIENTS
        assert 429 in await newcomers


async def test_without_a_measured_rate_a_fixed_wait_is_told(make_client: MakeClient) -> None:
    """Given a full queue and no worker, when a client is refused, then it is told the documented wait."""
    async with make_client(max_backlog_tokens=1_000) as client:
        await client.post("/v1/jobs", json=question(0) | {"max_tokens": 900})
        assert _told_s(await client.post("/v1/jobs", json=question(1))) == 10


def _told_s(response: httpx.Response) -> int:
    problem(response, 429, "queue_full")
    return int(response.headers["Retry-After"])


async def _return(gateway: httpx.AsyncClient, body: dict[str, Any], wait_s: int) -> int:
    await asyncio.sleep(wait_s)
    return (await gateway.post("/v1/jobs", json=body)).status_code


async def _push_in(gateway: httpx.AsyncClient, seconds: int) -> list[int]:
    found = []
    for number in range(4 * seconds):
        body = question(200 + number)
        found.append((await gateway.post("/v1/jobs", json=body)).status_code)
        await asyncio.sleep(0.25)
    return found
