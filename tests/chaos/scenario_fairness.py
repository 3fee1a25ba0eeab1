"""One caller's bulk of thousands of items, and what another caller's interactive questions notice of it."""

import asyncio
import time
from pathlib import Path
from typing import Any

from tests.bench.report import percentile
from tests.chaos.batches import start_batch
from tests.chaos.caller import Caller, Tally
from tests.chaos.cluster import Cluster

BULK_ITEMS = 5_000
QUESTIONS = 120
PAUSE_S = 0.03
WARM_UP_QUESTIONS = 20
START_TIMEOUT_S = 60.0
SETTINGS = {"FINANCELLM_FAKE_STEP_MS": "8"}


async def fairness(folder: Path, items: int = BULK_ITEMS, questions: int = QUESTIONS) -> dict[str, Any]:
    """Return bob's p95 with and without alice's bulk, their ratio, and how much of the bulk was left at the end."""
    tally = Tally()
    async with (
        Cluster(folder, 2, 2, SETTINGS) as cluster,
        Caller(cluster.urls, "alice", tally) as alice,
        Caller(cluster.urls, "bob", tally) as bob,
    ):
        await _latencies_s(bob, WARM_UP_QUESTIONS, "warm-up")
        quiet = percentile(await _latencies_s(bob, questions, "quiet"), 0.95)
        batch_id = await start_batch(alice, items)
        await _wait_until_busy(alice, batch_id)
        busy = percentile(await _latencies_s(bob, questions, "busy"), 0.95)
        counts = (await alice.request("GET", f"/v1/batches/{batch_id}")).json()["request_counts"]
        await alice.request("POST", f"/v1/batches/{batch_id}/cancel")
    return {
        "quiet_p95_ms": round(1000 * quiet, 1),
        "busy_p95_ms": round(1000 * busy, 1),
        "ratio": round(busy / quiet, 2),
        "bulk_items": items,
        # None left would mean that the second half of the questions met an idle service.
        "bulk_items_left": items - counts["completed"] - counts["failed"],
    }


async def _latencies_s(caller: Caller, questions: int, name: str) -> list[float]:
    found = []
    for number in range(questions):
        began_s = time.monotonic()
        await caller.submit(f"Interactive {name} {number}", headers={"Prefer": "wait=30"})
        found.append(time.monotonic() - began_s)
        await asyncio.sleep(PAUSE_S)
    return found


async def _wait_until_busy(caller: Caller, batch_id: str) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        view = (await caller.request("GET", f"/v1/batches/{batch_id}")).json()
        if view["request_counts"]["completed"]:
            return
        await asyncio.sleep(0.2)
    raise TimeoutError(f"no item of {batch_id} was done in {START_TIMEOUT_S:g} s")
