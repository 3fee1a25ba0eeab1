"""The gateway as its own process on a real Redis; the test plays the worker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
import redis

from common.keys import Keys
from common.store import JobStore
from tests.support.redis_process import RedisProcess, free_port


class GatewayProcess:
    """`python -m api` on a free loopback port."""

    def __init__(self, redis_url: str, folder: Path, prefix: Sequence[str] = (), **settings: str) -> None:
        self.port = int(settings.get("api_port") or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"api-{self.port}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
        environment |= {
            "FINANCELLM_REDIS_URL": redis_url,
            "FINANCELLM_KEY_PREFIX": "test",
            "FINANCELLM_ENGINE": "fake",
            "FINANCELLM_DATA_DIR": str(folder),
            "FINANCELLM_API_PORT": str(self.port),
        } | {f"FINANCELLM_{name.upper()}": value for name, value in settings.items()}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*prefix, sys.executable, "-m", "api"], env=environment, stderr=log)
        self._wait_until_up()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def kill(self) -> None:
        """End it at once if it still runs."""
        self.process.kill()
        self.process.wait()

    def _wait_until_up(self) -> None:
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            try:
                httpx.get(f"{self.url}/livez").raise_for_status()
                return
            except httpx.TransportError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"the gateway did not come up:\n{self.log.read_text()}")


@pytest.fixture(scope="module")
def gateway(redis_process: RedisProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway for the tests of one file; it looks for itself so seldom that only notices can wake it."""
    process = GatewayProcess(redis_process.url, tmp_path_factory.mktemp("gateway"), notice_poll_s="60")
    yield process
    process.kill()


@pytest.fixture
def client(gateway: GatewayProcess, job_store: JobStore) -> Iterator[httpx.Client]:
    """A client of the gateway, over an empty Redis."""
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., GatewayProcess]]:
    """Starts further gateways and ends them after the test."""
    started: list[GatewayProcess] = []

    def start(redis_url: str, **settings: str) -> GatewayProcess:
        started.append(GatewayProcess(redis_url, tmp_path, **settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """A Redis that a test may kill."""
    folder = tmp_path / "redis"
    folder.mkdir()
    process = RedisProcess(folder)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def own_store(own_redis: RedisProcess) -> Iterator[JobStore]:
    """The worker's view of that Redis."""
    with redis.Redis.from_url(own_redis.url, decode_responses=True) as connection:
        yield JobStore(connection, Keys("test"))
