"""A steady load of every kind of job, by callers that obey, with listeners that come back."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.chaos.caller import Caller, GaveUpError
from tests.chaos.invariants import Ending
from tests.chaos.ledger import Entry, Ledger

SUBMITTERS = 24
RECONNECT_S = 0.2
LISTEN_TIMEOUT_S = 300.0
# A listener that hangs up by itself now and then, whatever the gateways do.
HANG_UP_SHARE = 0.3


class Load:
    """Submits `jobs` jobs at `per_second`; slower where the service asks for it."""

    def __init__(self, caller: Caller, ledger: Ledger, jobs: int, per_second: float, webhook: str) -> None:
        self._caller = caller
        self._ledger = ledger
        self._jobs = jobs
        self._per_second = per_second
        self._webhook = webhook
        self._next = 0
        self._random = random.Random(6)
        self._listeners: set[asyncio.Task[None]] = set()
        # One turn of a hundred submissions.
        self._turn: list[Callable[[int], Awaitable[None]]] = [
            *[self._plain] * 52,
            *[self._bulk] * 26,
            *[self._followed] * 9,
            *[self._webhooked] * 4,
            *[self._cancelled] * 4,
            *[self._waited] * 5,
        ]
        self._random.shuffle(self._turn)

    async def run(self) -> None:
        """Submit everything and wait for the listeners."""
        began_s = time.monotonic()
        await asyncio.gather(*(self._submitter(began_s) for _ in range(SUBMITTERS)))
        await asyncio.gather(*self._listeners)

    async def _submitter(self, began_s: float) -> None:
        while self._next < self._jobs:
            number = self._next
            self._next += 1
            await asyncio.sleep(max(0.0, began_s + number / self._per_second - time.monotonic()))
            try:
                await self._turn[number % len(self._turn)](number)
            except GaveUpError:
                # It is in the tally; the others go on.
                continue

    async def _plain(self, number: int) -> None:
        await self._submit(number, "plain")

    async def _bulk(self, number: int) -> None:
        await self._submit(number, "bulk", lane="bulk")

    async def _webhooked(self, number: int) -> None:
        await self._submit(number, "webhook", webhook=self._webhook)

    async def _waited(self, number: int) -> None:
        await self._submit(number, "waited", headers={"Prefer": "wait=5"})

    async def _cancelled(self, number: int) -> None:
        entry = await self._submit(number, "cancelled", Ending.CANCELLED_OR_SUCCEEDED)
        await asyncio.sleep(self._random.uniform(0, 0.3))
        await self._caller.request("POST", f"/v1/jobs/{entry.job_id}/cancel")

    async def _followed(self, number: int) -> None:
        entry = await self._submit(number, "followed")
        entry.seen, entry.open_listener = [], True
        task = asyncio.create_task(follow(self._caller, entry, self._random))
        self._listeners.add(task)
        task.add_done_callback(self._listeners.discard)

    async def _submit(self, number: int, kind: str, ending: Ending = Ending.SUCCEEDED, **options: Any) -> Entry:
        question = f"Question {number}: what was revenue?"
        job_id = await self._caller.submit(question, **options)
        return self._ledger.add(Entry(job_id, self._caller.name, kind, ending))


async def follow(caller: Caller, entry: Entry, rng: random.Random) -> None:
    """Follow a job to its end over as many connections as it takes, each after the last event of the one before."""
    deadline_s = time.monotonic() + LISTEN_TIMEOUT_S
    seen: list[str] = entry.seen if entry.seen is not None else []
    try:
        while time.monotonic() < deadline_s:
            hang_up_after = rng.randint(1, 4) if rng.random() < HANG_UP_SHARE else None
            if await _listen(caller, entry.job_id, seen, hang_up_after):
                return
            await asyncio.sleep(RECONNECT_S)
    except GaveUpError:
        return
    finally:
        entry.open_listener = False


async def _listen(caller: Caller, job_id: str, seen: list[str], hang_up_after: int | None) -> bool:
    """Listen on one connection; True once the job has ended."""
    heard = 0
    events = caller.events(job_id, seen[-1] if seen else None)
    try:
        async for event_id, kind, _ in events:
            seen.append(event_id)
            heard += 1
            if kind in {"succeeded", "failed", "cancelled", "expired"}:
                return True
            if heard == hang_up_after:
                return False
    except httpx.TransportError:
        caller.tally.broken += 1
    finally:
        await events.aclose()
    return False
