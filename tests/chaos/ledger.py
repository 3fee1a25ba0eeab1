"""Every accepted job of a run, and what became of it: the logs are read and checked before they expire."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis

from common import operations
from common.errors import UnavailableError
from common.events import events_from_entries
from common.operations import DescribedJob
from tests.chaos.cluster import Cluster, Exit
from tests.chaos.invariants import Broken, Ending, History, Promise, Redelivery, broken_promises, redeliveries

HARVEST_INTERVAL_S = 3.0
MOST_A_ROUND = 400


@dataclass(slots=True)
class Entry:
    """One accepted job; `seen` are the event ids its listener got, which is `open_listener` until it has ended."""

    job_id: str
    caller: str
    kind: str
    ending: Ending = Ending.SUCCEEDED
    seen: list[str] | None = None
    open_listener: bool = False


class Ledger:
    """Reads each job's log once, `settle_s` after its end, so that a late write is seen too."""

    def __init__(self, cluster: Cluster, settle_s: float) -> None:
        self.kinds: Counter[str] = Counter()
        self.broken: list[Broken] = []
        self.redelivered: list[Redelivery] = []
        self.endings: Counter[str] = Counter()
        self._cluster = cluster
        self._settle_s = settle_s
        self._open: dict[str, Entry] = {}
        # A round that was given up still ends in its thread, beside the next one.
        self._one_round = threading.Lock()

    @property
    def accepted(self) -> int:
        """How many jobs were accepted."""
        return self.kinds.total()

    @property
    def open(self) -> int:
        """How many jobs have not been checked yet."""
        return len(self._open)

    def add(self, entry: Entry) -> Entry:
        """Note an accepted job."""
        self.kinds[entry.kind] += 1
        self._open[entry.job_id] = entry
        return entry

    def broke(self, promise: Promise) -> list[Broken]:
        """Return what broke one promise."""
        return [broken for broken in self.broken if broken.promise is promise]

    async def run(self) -> None:
        """Check what has ended, until cancelled."""
        while True:
            await asyncio.sleep(HARVEST_INTERVAL_S)
            # While Redis is away there is nothing to read; the logs are still there afterwards.
            with suppress(redis.RedisError, UnavailableError):
                await asyncio.to_thread(self.harvest, self._settle_s)

    async def close(self, timeout_s: float) -> None:
        """Wait until everything has ended and is checked; what has not ended by then counts as lost."""
        deadline_s = time.monotonic() + timeout_s
        while self._open and time.monotonic() < deadline_s:
            with suppress(redis.RedisError, UnavailableError):
                await asyncio.to_thread(self.harvest, 0.0)
            await asyncio.sleep(0.3)
        for entry in self._open.values():
            described = self._cluster.store.run(operations.describe(entry.job_id, entry.caller))
            state = described.job.status.value if described else "gone"
            self.broken.append(Broken(Promise.LOST, entry.job_id, f"{entry.kind}: {state} after {timeout_s:g} s"))

    def harvest(self, settle_s: float) -> None:
        """Check the jobs that ended at least `settle_s` ago."""
        with self._one_round:
            ended = self._ended(list(self._open.values()), settle_s)
            exits = tuple(self._cluster.exits)
            for entry in ended[:MOST_A_ROUND]:
                self._check(entry, exits)

    def _ended(self, entries: Sequence[Entry], settle_s: float) -> list[Entry]:
        store = self._cluster.store
        ended: list[Entry] = []
        for start in range(0, len(entries), 500):
            chunk = entries[start : start + 500]
            pipeline = store.client.pipeline(transaction=False)
            for entry in chunk:
                pipeline.hget(store.keys.job(entry.job_id), "finished_at_ms")
            stamps: list[Any] = pipeline.execute()
            due_ms = (time.time() - settle_s) * 1000
            ended += [
                entry
                for entry, stamp in zip(chunk, stamps, strict=True)
                if stamp is not None and int(stamp) <= due_ms and not entry.open_listener
            ]
        return ended

    def _check(self, entry: Entry, exits: Sequence[Exit]) -> None:
        store = self._cluster.store
        described = store.run(operations.describe(entry.job_id, entry.caller))
        log: Any = store.client.xrange(store.keys.events(entry.job_id))
        if described is None:
            self.broken.append(Broken(Promise.LOST, entry.job_id, "the record is gone before its time"))
        else:
            history = history_of(entry, described, log)
            self.broken += broken_promises(history, self._cluster.settings.max_attempts)
            self.redelivered += redeliveries(history, exits)
            self.endings[history.error_code or history.status] += 1
        del self._open[entry.job_id]


def history_of(entry: Entry, described: DescribedJob, log: Any) -> History:
    """Put a job's record, its log and what its listener saw together."""
    job = described.job
    return History(
        job_id=job.id,
        status=job.status.value,
        fencing_token=job.fencing_token,
        attempt=job.attempt,
        result_text=job.result.text if job.result else None,
        error_code=job.error.code if job.error else None,
        events=events_from_entries(log),
        ending=entry.ending,
        seen=entry.seen,
    )
