"""Hundreds of event streams that wait for one job: what they cost while idle, and whether each hears the end."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.bench.report import percentile
from tests.chaos.caller import Caller, GaveUpError, Tally
from tests.chaos.cluster import Cluster

LISTENERS = 500
QUESTIONS = 60
OPEN_TIMEOUT_S = 60.0
HEAR_TIMEOUT_S = 60.0
SETTINGS = {"FINANCELLM_FAKE_STEP_MS": "8"}


class Audience:
    """Listeners of one job."""

    def __init__(self, caller: Caller, job_id: str) -> None:
        self._caller = caller
        self._job_id = job_id
        self.listening = 0
        self.heard: list[float] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()

    async def open(self, listeners: int) -> None:
        """Open the streams and wait until each has its first event."""
        self.tasks = [asyncio.create_task(self._listen()) for _ in range(listeners)]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wanted_are_open(listeners), OPEN_TIMEOUT_S)

    async def _wanted_are_open(self, listeners: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self.listening >= listeners)

    async def _opened(self) -> None:
        async with self._changed:
            self.listening += 1
            self._changed.notify_all()

    async def _listen(self) -> None:
        with suppress(httpx.TransportError, GaveUpError):
            async for _, kind, _ in self._caller.events(self._job_id, None):
                if kind == "queued":
                    await self._opened()
                if kind == "succeeded":
                    self.heard.append(time.monotonic())


async def listeners(folder: Path, count: int = LISTENERS) -> dict[str, Any]:
    """Return what the streams cost the gateways and the questions beside them, and how many heard the end."""
    tally = Tally()
    async with Cluster(folder, 1, 2, SETTINGS) as cluster, Caller(cluster.urls, "alice", tally) as caller:
        # A worker for the interactive lane only, so that a bulk job waits.
        cluster.workers[0].extra["FINANCELLM_LANES"] = "interactive"
        await cluster.restart(cluster.workers[0])
        await _p95_s(caller, QUESTIONS // 3)
        before_s, before = await _p95_s(caller, QUESTIONS), cluster.rss_mb()["api"]
        job_id = await caller.submit("Who listens?", lane="bulk")
        audience = Audience(caller, job_id)
        await audience.open(count)
        opened, beside_s, after = audience.listening, await _p95_s(caller, QUESTIONS), cluster.rss_mb()["api"]
        cluster.workers[0].extra.clear()
        await cluster.restart(cluster.workers[0])
        await caller.ended(job_id)
        ended_s = time.monotonic()
        await asyncio.wait(audience.tasks, timeout=HEAR_TIMEOUT_S)
    return {
        "listeners": count,
        "opened": opened,
        "heard_the_end": len(audience.heard),
        "last_heard_after_poll_ms": round(1000 * (max(audience.heard, default=ended_s) - ended_s), 1),
        "kb_each": round(1000 * (after - before) * len(cluster.apis) / count, 1),
        "question_p95_ms": round(1000 * before_s, 1),
        "question_p95_beside_ms": round(1000 * beside_s, 1),
    }


async def _p95_s(caller: Caller, questions: int) -> float:
    found = []
    for number in range(questions):
        began_s = time.monotonic()
        await caller.submit(f"Beside listeners {number}", headers={"Prefer": "wait=30"})
        found.append(time.monotonic() - began_s)
    return percentile(found, 0.95)
