"""One run: a load, faults into it one after the other, and the check of everything that was accepted."""

import asyncio
import base64
import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.batches import BatchOutcome, finish_batch, start_batch
from tests.chaos.caller import Caller, GaveUpError, Tally
from tests.chaos.cluster import Cluster
from tests.chaos.fault import Chaos, Fault, SkippedError
from tests.chaos.faults_disk import DiskFull
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load
from tests.chaos.receivers import Receivers

BATCHES = 2
GAP_S = 2.0
SMALL_DISK_MB = 512
REAPER_GRACE_S = 6.0
DRAIN_TIMEOUT_S = 240.0
SAMPLE_INTERVAL_S = 2.0
# Signs notifications of these runs only.
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"chaos" * 6).decode()


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is; `batch_items` of the jobs go through batches, the others one by one over `load_s`."""

    jobs: int
    batch_items: int
    load_s: float
    workers: int
    faults: Sequence[Fault]
    lease_ttl_s: float = 20.0
    heartbeat_s: float = 5.0
    stall_timeout_s: float = 8.0
    result_ttl_s: int = 150
    settle_s: float = 40.0
    step_ms: float = 8.0
    most_rounds: int = 100
    warm_up_jobs: int = 60
    answer_tokens: int = 64
    engine_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def disk_mb(self) -> int | None:
        """The size of a disk of its own, None where nothing fills one."""
        return SMALL_DISK_MB if any(isinstance(fault, DiskFull) for fault in self.faults) else None

    def env(self) -> dict[str, str]:
        """Return the settings of all processes; leases are the product's own unless the plan shortens them."""
        return {
            "FINANCELLM_LEASE_TTL_MS": str(round(1000 * self.lease_ttl_s)),
            "FINANCELLM_HEARTBEAT_INTERVAL_MS": str(round(1000 * self.heartbeat_s)),
            "FINANCELLM_STALL_TIMEOUT_S": str(self.stall_timeout_s),
            "FINANCELLM_RESULT_TTL_S": str(self.result_ttl_s),
            "FINANCELLM_FAKE_STEP_MS": str(self.step_ms),
            "FINANCELLM_ALLOW_PRIVATE_WEBHOOKS": "true",
            "FINANCELLM_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "FINANCELLM_WEBHOOK_TIMEOUT_S": "2",
            "FINANCELLM_WEBHOOK_DELAYS_S": "[1, 2]",
            **self.engine_env,
        }


@dataclass(slots=True)
class Injected:
    """One fault that was injected: how long it lasted, and how long after its end a question was answered."""

    name: str
    lasted_s: float
    recovery_s: float


@dataclass(slots=True)
class Findings:
    """Everything a run found out."""

    ledger: Ledger
    tally: Tally
    injected: list[Injected] = field(default_factory=list)
    batches: list[BatchOutcome] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    rss_mb: dict[str, dict[str, float]] = field(default_factory=dict)
    redis: dict[str, dict[str, float]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class ChaosRun:
    """Drives one cluster through a plan."""

    def __init__(self, plan: Plan, cluster: Cluster, caller: Caller, receivers: Receivers) -> None:
        self._plan = plan
        self._cluster = cluster
        self._caller = caller
        ledger = Ledger(cluster, plan.settle_s)
        self.findings = Findings(ledger, caller.tally)
        self._chaos = Chaos(cluster, caller, ledger, receivers, plan.lease_ttl_s, plan.stall_timeout_s)
        self._load_url = receivers.url("/ok")

    async def run(self) -> Findings:
        """Load, break, wait for the end of everything, and check."""
        began_s = time.monotonic()
        await self._warm_up()
        self._measure("before")
        beside = [asyncio.create_task(self._chaos.ledger.run()), asyncio.create_task(self._sample_peak())]
        batches = self._start_batches()
        direct = self._plan.jobs - self._plan.batch_items
        load = Load(self._caller, self._chaos.ledger, direct, direct / self._plan.load_s, self._load_url)
        loading = asyncio.create_task(load.run())
        await self._break_things(loading)
        await loading
        for starting, items in [*batches, *self._chaos.batches]:
            await self._finish_batch(starting, items)
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._chaos.ledger.close(DRAIN_TIMEOUT_S)
        self._measure("after_load")
        self._conclude()
        self.findings.seconds = time.monotonic() - began_s
        return self.findings

    async def wait_for_expiry(self) -> None:
        """Wait until every result's time is over and the reaper has removed what points to it."""
        await asyncio.sleep(self._plan.result_ttl_s + 5)
        self._measure("after_expiry")

    async def _warm_up(self) -> None:
        questions = [f"Warm-up {number}" for number in range(self._plan.warm_up_jobs)]
        ids = await asyncio.gather(*(self._caller.submit(question) for question in questions))
        for job_id in ids:
            await self._caller.ended(job_id)

    def _start_batches(self) -> list[tuple[asyncio.Task[str], int]]:
        items = self._plan.batch_items // BATCHES
        words = [f"cash of {number}" for number in range(BATCHES if items else 0)]
        most = self._plan.answer_tokens
        return [(asyncio.create_task(start_batch(self._caller, items, one, most)), items) for one in words]

    async def _finish_batch(self, starting: asyncio.Task[str], items: int) -> None:
        # Whoever gives up has noted it in the tally.
        with suppress(GaveUpError):
            self.findings.batches.append(await finish_batch(self._caller, await starting, items, DRAIN_TIMEOUT_S))

    async def _break_things(self, loading: "asyncio.Task[None]") -> None:
        """Go through the faults until the load has ended, at least once and at most `most_rounds` times."""
        for number, fault in enumerate(itertools.chain.from_iterable([self._plan.faults] * self._plan.most_rounds)):
            if loading.done() and number >= len(self._plan.faults):
                return
            await asyncio.sleep(GAP_S)
            if fault.needs_leases_quiet:
                await self._wait_for_quiet_leases()
            await self._inject(fault)

    async def _inject(self, fault: Fault) -> None:
        began_s = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')} {fault.name}", flush=True)
        try:
            await fault.inject(self._chaos)
            ended_s = time.monotonic()
            entry = await self._chaos.submit("probe", f"Are you there after {fault.name}, {began_s}?")
            await self._caller.ended(entry.job_id)
        except GaveUpError as error:
            self.findings.faults.append(f"{fault.name}: {error}")
            return
        except SkippedError as error:
            self.findings.skipped[fault.name] = str(error)
            print(f"         skipped: {error}", flush=True)
            return
        self.findings.injected.append(Injected(fault.name, ended_s - began_s, time.monotonic() - ended_s))

    async def _wait_for_quiet_leases(self) -> None:
        """Let jobs of lost workers come back first: an outage on top would be another promise than that of 25 s."""
        quiet_s = self._plan.lease_ttl_s + REAPER_GRACE_S
        left_s = quiet_s
        while left_s > 0:
            left_s = self._last_loss_s() + quiet_s - time.time()
            await asyncio.sleep(left_s)

    def _last_loss_s(self) -> float:
        return max((exit_.at_ms for exit_ in self._cluster.exits if exit_.code != 0), default=0) / 1000

    def _measure(self, moment: str) -> None:
        client: Any = self._cluster.store.client
        info = client.info("memory")
        self.findings.rss_mb[moment] = self._cluster.rss_mb()
        self.findings.redis[moment] = {"used_mb": round(info["used_memory"] / 1e6, 2), "keys": client.dbsize()}

    async def _sample_peak(self) -> None:
        peak: dict[str, float] = {}
        while True:
            for name, size in self._cluster.rss_mb().items():
                peak[name] = max(size, peak.get(name, 0.0))
            self.findings.rss_mb["peak"] = peak
            await asyncio.sleep(SAMPLE_INTERVAL_S)

    def _conclude(self) -> None:
        counters: Any = self._cluster.store.client.hgetall(f"{self._cluster.store.keys.root}finished")
        self.findings.counters = {name: int(count) for name, count in counters.items()}
        self.findings.notes = dict(self._chaos.notes)
        self.findings.faults += [
            *self._chaos.faults,
            *self._cluster.unexpected,
            *_disagreements(self.findings.counters),
        ]


def _disagreements(counters: dict[str, int]) -> list[str]:
    ended = sum(counters.get(name, 0) for name in ("succeeded", "failed", "cancelled", "expired"))
    accepted = counters.get("accepted", 0)
    return [] if ended == accepted else [f"the store counts {accepted} accepted and {ended} ended jobs"]


async def run_plan(plan: Plan, folder: Path) -> Findings:
    """Run a plan on a cluster of its own."""
    async with (
        Cluster(folder, plan.workers, 2, plan.env(), plan.disk_mb) as cluster,
        Receivers() as receivers,
        Caller(cluster.urls, "alice", Tally(), plan.answer_tokens) as caller,
    ):
        try:
            return await ChaosRun(plan, cluster, caller, receivers).run()
        except Exception:
            print(cluster.logs(), flush=True)
            raise
