"""More work than fits, for a while: who is refused, what he is told, and whether he gets in when he obeys."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos.caller import Caller, GaveUpError, Tally
from tests.chaos.cluster import Cluster

CLIENTS = 24
JOBS_A_CLIENT = 6
WARM_UP_JOBS = 12
RATE_TIMEOUT_S = 60.0
RATE_POLL_S = 0.5
# Room for a dozen jobs, so that twenty-four clients without a pause overflow it at once.
SETTINGS = {
    "FINANCELLM_MAX_BACKLOG_TOKENS": "5000",
    "FINANCELLM_MAX_ROWS": "4",
    "FINANCELLM_FAKE_STEP_MS": "10",
}


async def overload(folder: Path, clients: int = CLIENTS) -> dict[str, Any]:
    """Return how many submissions were refused, and how often each came back before it was let in."""
    returns: Counter[int] = Counter()
    failed = 0
    async with Cluster(folder, 1, 2, SETTINGS) as cluster:
        async with Caller(cluster.urls, "carol", Tally()) as first:
            # Nobody can be told an honest time before a rate was measured.
            ids = [await first.submit(f"Warm-up {number}") for number in range(WARM_UP_JOBS)]
            for job_id in ids:
                await first.ended(job_id)
            await _rate_is_known(cluster, first)
        for found, gave_up in await asyncio.gather(*(_client(cluster, number) for number in range(clients))):
            returns.update(found)
            failed += gave_up
    submissions = returns.total()
    refused = submissions - returns[0]
    return {
        "submissions": submissions,
        "refused_429": sum(times * count for times, count in returns.items()),
        "refused_clients": refused,
        "in_after_first_wait": returns[1],
        "in_after_first_wait_share": round(returns[1] / refused, 3) if refused else None,
        "most_returns": max(returns),
        "never_let_in": failed,
    }


async def _rate_is_known(cluster: Cluster, caller: Caller) -> None:
    """Wait until every gateway has heard the rate, which workers tell with their heartbeats; they are asked in turn."""
    deadline_s = time.monotonic() + RATE_TIMEOUT_S
    in_a_row = 0
    while in_a_row < len(cluster.apis):
        rate = (await caller.request("GET", "/v1/overview")).json()["tokens_per_second"]
        in_a_row = in_a_row + 1 if rate else 0
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"no rate was measured in {RATE_TIMEOUT_S:g} s")
        await asyncio.sleep(RATE_POLL_S)


async def _client(cluster: Cluster, number: int) -> tuple[list[int], int]:
    """Submit some jobs one after the other; return how often each had to come back, and how many gave up."""
    returns = []
    tally = Tally()
    async with Caller(cluster.urls, "carol", tally) as caller:
        for turn in range(JOBS_A_CLIENT):
            before = tally.refused_429
            try:
                await caller.submit(f"Client {number}, question {turn}")
            except GaveUpError:
                continue
            returns.append(tally.refused_429 - before)
    return returns, len(tally.failed)
