"""Faults that come from outside: poison, bad webhook receivers, clients that vanish, messages delivered twice."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from common.jobs import Lane
from common.queue import permits_key, send_permit
from tests.chaos.cluster import key_of
from tests.chaos.fault import Chaos
from tests.chaos.invariants import Ending
from tests.chaos.ledger import Entry

POISON_JOBS = 2
VANISHING_CLIENTS = 10
SURPLUS_PERMITS = 100
WEBHOOKS_TIMEOUT_S = 60.0
# What each behaviour has to end in: the status of the notification, and the calls that its receiver may get.
WEBHOOK_ENDS = {"/ok": "delivered", "/fail": "failed", "/hang": "failed", "/redirect": "failed", "/gone": "failed"}


class Poison:
    """Jobs that crash the process that runs them, each time."""

    name = "poison jobs"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Send them into the load."""
        for number in range(POISON_JOBS):
            await chaos.submit("poison", f"Please <<crash>> {number}", Ending.POISONED)


class BadReceivers:
    """Webhook receivers that hang, fail, redirect or are gone, beside one that is well."""

    name = "bad webhook receivers"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Have a job notify each of them, and wait until every notification has ended."""
        before = chaos.receivers.calls.copy()
        entries = {
            path: await chaos.submit("receiver", f"For {path}", webhook=chaos.receivers.url(path))
            for path in WEBHOOK_ENDS
        }
        deadline_s = time.monotonic() + WEBHOOKS_TIMEOUT_S
        for path, entry in entries.items():
            webhook = await _webhook_end(chaos, entry, deadline_s)
            if webhook["status"] != WEBHOOK_ENDS[path]:
                chaos.faults.append(f"the notification of {path} is {webhook}")
        calls = chaos.receivers.calls - before
        if calls["/trap"]:
            chaos.faults.append("a redirect of a receiver was followed")
        if calls["/gone"] != 1:
            chaos.faults.append(f"a receiver that is gone was called {calls['/gone']} times")


async def _webhook_end(chaos: Chaos, entry: Entry, deadline_s: float) -> dict[str, Any]:
    while True:
        view = (await chaos.caller.request("GET", f"/v1/jobs/{entry.job_id}")).json()
        webhook: dict[str, Any] = view["webhook"]
        if webhook["status"] in {"delivered", "failed"} or time.monotonic() > deadline_s:
            return webhook
        await asyncio.sleep(0.3)


class VanishingClients:
    """Clients that leave between request and answer, and in the middle of their event stream."""

    name = "clients vanish mid-request and mid-stream"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Leave, then ask under the same key which job it became."""
        await asyncio.gather(*(self._one(chaos, number) for number in range(VANISHING_CLIENTS)))

    async def _one(self, chaos: Chaos, number: int) -> None:
        key = f"vanish-{time.time_ns()}-{number}"
        question = f"Vanishing {number}"
        body = json.dumps({"question": question, "max_tokens": 64})
        stays_s = chaos.rng.uniform(0, 0.02)
        with suppress(OSError):
            await _post_and_leave(chaos, key, body, stays_s)
        entry = await chaos.submit("vanished", question, key=key)
        with suppress(OSError):
            await _listen_and_leave(chaos, entry.job_id, stays_s)


async def _post_and_leave(chaos: Chaos, key: str, body: str, stays_s: float) -> None:
    size = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
    head = f'POST /v1/jobs HTTP/1.1\r\n{size}\r\nIdempotency-Key: "{key}"\r\n'
    await _send_and_leave(chaos, head, body, stays_s)


async def _listen_and_leave(chaos: Chaos, job_id: str, stays_s: float) -> None:
    await _send_and_leave(chaos, f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\n", "", 10 * stays_s)


async def _send_and_leave(chaos: Chaos, head: str, body: str, stays_s: float) -> None:
    target = urlsplit(chaos.rng.choice(chaos.cluster.urls))
    _, writer = await asyncio.open_connection(target.hostname, target.port)
    head += f"Host: 127.0.0.1\r\nAuthorization: Bearer {key_of(chaos.caller.name)}\r\n\r\n"
    writer.write((head + body).encode())
    await asyncio.sleep(stays_s)
    # Reset instead of a polite end, as of a machine that lost its network.
    writer.transport.abort()


class DuplicateMessages:
    """Messages delivered twice, in reverse order, and for jobs that do not exist."""

    name = "duplicate and reordered messages"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Copy what waits in the broker's lists the other way round, and add permits for nobody."""
        await asyncio.to_thread(self._copy, chaos)

    def _copy(self, chaos: Chaos) -> None:
        client = chaos.cluster.store.client
        for lane in Lane:
            key = permits_key(chaos.cluster.settings, lane)
            # The client is typed for both kinds of call; this one does not wait.
            waiting: Any = client.lrange(key, 0, -1)
            for message in reversed(waiting):
                client.rpush(key, message)
            for _ in range(SURPLUS_PERMITS):
                send_permit(chaos.cluster.celery, lane, "job_that_never_was")
