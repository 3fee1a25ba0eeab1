"""The whole service as processes that may die: Redis, gateways and workers, started again as a platform would."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil
import redis
from celery import Celery

from common.queue import make_celery
from common.settings import Settings
from common.store import JobStore
from tests.chaos.small_disk import SmallDisk
from tests.support.redis_process import RedisProcess, free_port

ROOT = Path(__file__).resolve().parents[2]
CALLERS = ("alice", "bob", "carol")
WATCH_INTERVAL_S = 0.05
RESTART_AFTER_S = 1.0
READY_TIMEOUT_S = 240.0
GRACEFUL_TIMEOUT_S = 40.0


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended, or stood still from `at_ms` on; `code` is as subprocess reports it."""

    name: str
    at_ms: float
    code: int | None


@dataclass(slots=True)
class Member:
    """One place in the cluster and the process that fills it; a worker's `name` changes with each start."""

    slot: str
    command: list[str]
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the process that runs now."""
        return f"{self.slot}.{self.starts}"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.poll() is None


class Cluster:
    """Redis with its append-only file, gateways and workers; `env` adds settings to all of them.

    What they keep lies on a disk of `disk_mb` where that is given; logs do not.
    """

    def __init__(
        self, folder: Path, workers: int, apis: int, env: Mapping[str, str], disk_mb: int | None = None
    ) -> None:
        self.folder = folder
        data = folder / "data"
        data.mkdir(exist_ok=True)
        self.disk = SmallDisk(data, disk_mb) if disk_mb is not None else None
        self.redis = RedisProcess(data)
        self.exits: list[Exit] = []
        self.unexpected: list[str] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
        self._env = {
            **kept,
            "FINANCELLM_DATA_DIR": str(data),
            "FINANCELLM_REDIS_URL": self.redis.url,
            "FINANCELLM_ENGINE": "fake",
            "FINANCELLM_FAKE_FAULTS": "true",
            "FINANCELLM_API_KEY_HASHES": ",".join(f"{name}={_hash(key_of(name))}" for name in CALLERS),
            **env,
        }
        self.apis = [self._api(number) for number in range(apis)]
        self.workers = [self._worker(number) for number in range(workers)]
        self.settings = Settings(redis_url=self.redis.url, data_dir=data)
        self.store = JobStore.connect(self.settings)
        self.celery: Celery = make_celery(self.settings)
        self._watching: asyncio.Task[None] | None = None
        self._starting: dict[str, asyncio.Task[None]] = {}

    @property
    def urls(self) -> list[str]:
        """Where the gateways listen."""
        return [f"http://127.0.0.1:{api.env['FINANCELLM_API_PORT']}" for api in self.apis]

    async def __aenter__(self) -> Self:
        (self.folder / "logs").mkdir(exist_ok=True)
        if self.disk is not None:
            self.disk.mount()
        try:
            await self._start_all()
        except BaseException:
            await self.__aexit__()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in [*([self._watching] if self._watching else []), *self._starting.values()]:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for member in self._members():
            if member.process is not None:
                # A stopped process does not hear SIGTERM; nothing here is worth a goodbye.
                member.process.kill()
                member.process.wait()
        self.redis.kill()
        self.celery.close()
        self.store.client.close()
        if self.disk is not None:
            self.disk.unmount()

    async def _start_all(self) -> None:
        self.redis.start()
        for member in self._members():
            self.start(member)
        for member in self._members():
            await self.wait_ready(member)

    def start(self, member: Member) -> None:
        """Start a member's process."""
        member.starts += 1
        env = {**self._env, **member.env, **member.extra, "FINANCELLM_WORKER_NAME": member.name}
        with (self.folder / "logs" / f"{member.slot}.log").open("ab") as log:
            member.process = subprocess.Popen(member.command, env=env, cwd=ROOT, stdout=log, stderr=log)

    def kill(self, member: Member) -> None:
        """Kill a member as kill -9 does; it is started again soon."""
        if member.process is not None and member.alive:
            member.process.send_signal(signal.SIGKILL)

    async def restart(self, member: Member) -> float:
        """Stop a member with SIGTERM, start it again and wait until it is ready; return the seconds its stop took."""
        process = member.process
        if process is None:
            return 0.0
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:
            if time.monotonic() - began_s > GRACEFUL_TIMEOUT_S:
                self.unexpected.append(f"{member.name} did not stop within {GRACEFUL_TIMEOUT_S:g} s")
                process.kill()
            await asyncio.sleep(WATCH_INTERVAL_S)
        seconds = time.monotonic() - began_s
        await asyncio.sleep(2 * WATCH_INTERVAL_S)
        await self.wait_ready(member)
        return seconds

    async def wait_ready(self, member: Member) -> None:
        """Wait until a member's newest process serves."""
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while not (member.alive and await self._serves(member)):
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{member.name} was not ready in time\n{self.logs()}")
            await asyncio.sleep(0.1)

    def rss_mb(self) -> dict[str, float]:
        """Return the mean resident memory of a gateway and of a worker, and that of Redis, in megabytes."""
        groups = {"api": [m.process.pid for m in self.apis if m.process and m.alive]}
        groups["worker"] = [m.process.pid for m in self.workers if m.process and m.alive]
        groups["redis"] = [self.redis.pid] if self.redis.pid else []
        return {name: round(_mean_rss_mb(pids), 1) for name, pids in groups.items()}

    def logs(self) -> str:
        """Return the last lines of every log."""
        paths = sorted((self.folder / "logs").glob("*.log"))
        tails = [(path.name, path.read_text("utf-8", "replace").splitlines()[-15:]) for path in paths]
        return "\n".join("\n".join([f"--- {name}", *(line[:300] for line in lines)]) for name, lines in tails)

    async def _serves(self, member: Member) -> bool:
        try:
            if member in self.workers:
                seen = await asyncio.to_thread(
                    self.store.client.zscore, f"{self.store.keys.root}workers_seen", member.name
                )
                return seen is not None
            async with httpx.AsyncClient(timeout=2) as client:
                return (await client.get(f"{self.urls[self.apis.index(member)]}/livez")).status_code == 200
        except (httpx.TransportError, redis.RedisError):
            return False

    async def _watch(self) -> None:
        noted: set[str] = set()
        while True:
            for member in self._members():
                if member.alive or member.name in noted or member.process is None:
                    continue
                noted.add(member.name)
                self.exits.append(Exit(member.name, time.time() * 1000, member.process.returncode))
                self._starting[member.name] = asyncio.create_task(self._start_soon(member))
            await asyncio.sleep(WATCH_INTERVAL_S)

    async def _start_soon(self, member: Member) -> None:
        # A stop that was asked for is followed at once; a crash after a pause, so that a crash loop is no busy loop.
        if member.process is not None and member.process.returncode != 0:
            await asyncio.sleep(RESTART_AFTER_S)
        self.start(member)

    def _members(self) -> Iterator[Member]:
        yield from self.apis
        yield from self.workers

    def _api(self, number: int) -> Member:
        env = {"FINANCELLM_API_PORT": str(free_port())}
        return Member(f"api-{number}", [sys.executable, "-m", "api"], env)

    def _worker(self, number: int) -> Member:
        return Member(f"worker-{number}", [sys.executable, "-m", "tests.chaos.worker_process"], {})


def key_of(caller: str) -> str:
    """Return a caller's API key."""
    return f"fl_key_of_{caller}_for_this_run_only"


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _mean_rss_mb(pids: list[int]) -> float:
    sizes = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            sizes.append(psutil.Process(pid).memory_info().rss / 1e6)
    return sum(sizes) / len(sizes) if sizes else 0.0
