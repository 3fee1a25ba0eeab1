"""Faults of Redis: killed and back from its append-only file, frozen, out of memory, all connections cut."""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

import redis

from tests.chaos.fault import Chaos

DOWN_S = 2.0
FROZEN_S = 10.0
FULL_S = 8.0
FULL_BELOW = 0.9


class RedisKill:
    """kill -9 of Redis, back two seconds later from its append-only file."""

    name = "redis kill -9, AOF restart"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Kill and start again."""
        chaos.cluster.redis.kill()
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(chaos.cluster.redis.start)


class RedisFreeze:
    """Redis stands still for ten seconds with every connection open."""

    name = "redis SIGSTOP 10 s"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Stop and continue."""
        pid = chaos.cluster.redis.pid
        if pid is None:
            return
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)
        os.kill(pid, signal.SIGCONT)


class RedisFull:
    """Redis at its memory limit: it refuses every write that may need memory."""

    name = "redis at its memory limit"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Set the limit below what is used, and lift it."""
        client: Any = chaos.cluster.store.client
        used = int((await asyncio.to_thread(client.info, "memory"))["used_memory"])
        await asyncio.to_thread(client.config_set, "maxmemory", int(used * FULL_BELOW))
        await asyncio.sleep(FULL_S)
        await asyncio.to_thread(client.config_set, "maxmemory", 0)


class RedisCut:
    """Every connection to Redis is cut, the broker's and the subscriptions included."""

    name = "redis connections cut"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Cut them three times in a second."""
        client = chaos.cluster.store.client
        for _ in range(3):
            for kind in ("normal", "pubsub"):
                with suppress(redis.ConnectionError):
                    await asyncio.to_thread(client.client_kill_filter, _type=kind, skipme=True)
            await asyncio.sleep(0.3)
