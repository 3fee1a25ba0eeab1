"""What a fault is, and what it may use to break things."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.chaos.caller import Caller
from tests.chaos.cluster import Cluster, Member
from tests.chaos.invariants import Ending
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.receivers import Receivers


class SkippedError(Exception):
    """This machine cannot break that; the message says why."""


@dataclass(slots=True)
class Chaos:
    """One run: what is broken, through whom jobs are sent, and what is noted."""

    cluster: Cluster
    caller: Caller
    ledger: Ledger
    receivers: Receivers
    lease_ttl_s: float
    stall_timeout_s: float
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    notes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    # Batches that faults began, and how many items each has.
    batches: list[tuple[asyncio.Task[str], int]] = field(default_factory=list)

    async def submit(self, kind: str, question: str, ending: Ending = Ending.SUCCEEDED, **options: Any) -> Entry:
        """Have a job accepted and keep it in the ledger."""
        job_id = await self.caller.submit(question, **options)
        return self.ledger.add(Entry(job_id, self.caller.name, kind, ending))

    def any_worker(self) -> Member:
        """Return a live worker, or any if none lives."""
        return self.rng.choice([worker for worker in self.cluster.workers if worker.alive] or self.cluster.workers)

    def any_api(self) -> Member:
        """Return one of the gateways."""
        return self.rng.choice(self.cluster.apis)


class Fault(Protocol):
    """One way to break the service; `needs_leases_quiet` where jobs of workers lost before must be back first."""

    name: str
    needs_leases_quiet: bool

    async def inject(self, chaos: Chaos) -> None:
        """Break it, and end the breaking."""
        ...
