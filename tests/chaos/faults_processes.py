"""Faults of gateways and workers: killed, frozen, hanging in a step, restarted one by one, with a wrong clock."""

import asyncio
import signal
import time

from tests.chaos.cluster import Exit
from tests.chaos.fault import Chaos
from tests.chaos.invariants import Ending

FREEZE_BEYOND_LEASE_S = 3.0
CLOCK_SKEW_S = 300
TIME_WITH_WRONG_CLOCK_S = 5.0
KILL_WITHIN_S = 0.5


class WorkerKill:
    """kill -9 of a worker, at whatever its jobs are doing."""

    name = "worker kill -9"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Kill one at a random moment."""
        await asyncio.sleep(chaos.rng.uniform(0, KILL_WITHIN_S))
        chaos.cluster.kill(chaos.any_worker())


class AllWorkersKill:
    """kill -9 of all workers at once."""

    name = "all workers kill -9"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Kill every one."""
        for worker in chaos.cluster.workers:
            chaos.cluster.kill(worker)


class WorkerFreeze:
    """A worker that stands still beyond its lease, then goes on with what it held: its writes are stale."""

    name = "worker frozen beyond its lease"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Stop one, note the time as that of its loss, and let it go on."""
        worker = chaos.any_worker()
        process = worker.process
        if process is None or not worker.alive:
            return
        process.send_signal(signal.SIGSTOP)
        chaos.cluster.exits.append(Exit(worker.name, time.time() * 1000, None))
        await asyncio.sleep(chaos.lease_ttl_s + FREEZE_BEYOND_LEASE_S)
        process.send_signal(signal.SIGCONT)


class WorkerHang:
    """A job that makes its worker hang inside a step, until the worker's own watchdog ends it."""

    name = "worker hangs in a step"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Send the job."""
        await chaos.submit("hang", "Please <<hang>>", Ending.POISONED)


class WrongClock:
    """A worker whose clock is minutes ahead, then one whose clock is behind; each is killed with its jobs."""

    name = "worker clock off by 5 min"
    needs_leases_quiet = True

    async def inject(self, chaos: Chaos) -> None:
        """Give one worker the wrong time, twice, then the right one again."""
        worker = chaos.any_worker()
        for skew_s in (CLOCK_SKEW_S, -CLOCK_SKEW_S):
            worker.extra["CHAOS_CLOCK_SKEW_S"] = str(skew_s)
            await chaos.cluster.restart(worker)
            await asyncio.sleep(TIME_WITH_WRONG_CLOCK_S)
        worker.extra.clear()
        chaos.cluster.kill(worker)


class ApiKill:
    """kill -9 of a gateway with requests and event streams open."""

    name = "api kill -9"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Kill one at a random moment."""
        await asyncio.sleep(chaos.rng.uniform(0, KILL_WITHIN_S))
        chaos.cluster.kill(chaos.any_api())


class RollingRestart:
    """SIGTERM to every gateway and worker, one after the other, each started again before the next."""

    name = "rolling restart (SIGTERM)"
    needs_leases_quiet = False

    async def inject(self, chaos: Chaos) -> None:
        """Restart all; note how long the slowest stop took."""
        failed_before = len(chaos.caller.tally.failed)
        for member in [*chaos.cluster.apis, *chaos.cluster.workers]:
            seconds = await chaos.cluster.restart(member)
            slowest = "slowest_worker_stop_ms" if member in chaos.cluster.workers else "slowest_api_stop_ms"
            chaos.notes[slowest] = max(chaos.notes[slowest], round(seconds * 1000))
        chaos.notes["rolling_restarts"] += 1
        chaos.notes["requests_failed_in_rolling_restarts"] += len(chaos.caller.tally.failed) - failed_before
