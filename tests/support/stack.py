"""The whole service as processes on loopback, for acceptance tests and benchmarks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from tests.support.redis_process import RedisProcess, free_port

READY_TIMEOUT_S = 180


class Stack:
    """Redis, one gateway and any number of workers; `env` adds settings to all of them, `api_key` is for its probes."""

    def __init__(
        self,
        folder: Path,
        engine: str,
        workers: int = 1,
        env: Mapping[str, str] | None = None,
        api_key: str | None = None,
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.redis = RedisProcess(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self._worker_count = workers
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._logs: list[IO[bytes]] = []
        # Settings of the surrounding shell must not reach a test's processes; the model folder may.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
        self.env = {
            **kept,
            "FINANCELLM_DATA_DIR": str(folder),
            "FINANCELLM_MODEL_DIR": str(model_dir()),
            "FINANCELLM_REDIS_URL": self.redis.url,
            "FINANCELLM_API_PORT": str(self.port),
            "FINANCELLM_ENGINE": engine,
            **(env or {}),
        }

    def __enter__(self) -> Self:
        try:
            self.redis.start()
            self.start_api()
            for _ in range(self._worker_count):
                self.start_worker()
            self.wait_ready()
        except BaseException:
            # Nobody leaves a block that was never entered.
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes = [*self.workers, *([self.api] if self.api else [])]
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
        self.redis.kill()
        for log in self._logs:
            log.close()

    def start_api(self) -> subprocess.Popen[bytes]:
        """Start the gateway."""
        self.api = self._start("api", [sys.executable, "-m", "api"])
        return self.api

    def start_worker(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start one more worker."""
        name = f"worker-{len(self.workers)}"
        worker = self._start(name, [sys.executable, "-m", "worker"], {"FINANCELLM_WORKER_NAME": name, **(env or {})})
        self.workers.append(worker)
        return worker

    def wait_ready(self, workers: int | None = None) -> None:
        """Wait until the gateway sees Redis and at least `workers` live workers (all started ones by default)."""
        wanted = self._worker_count if workers is None else workers
        deadline_s = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            self._raise_if_dead()
            if self.live_workers() >= wanted:
                return
            time.sleep(0.1)
        raise TimeoutError(f"the stack was not ready within {READY_TIMEOUT_S} s\n{self.logs()}")

    def logs(self) -> str:
        """Return the last lines of every process's log."""
        texts = []
        for path in sorted((self.folder / "logs").glob("*.log")):
            tail = path.read_text("utf-8", "replace").splitlines()[-25:]
            texts.append("\n".join([f"--- {path.name}", *tail]))
        return "\n".join(texts)

    def live_workers(self) -> int:
        """Return how many workers the gateway counts, -1 where it does not answer."""
        try:
            metrics = httpx.get(f"{self.url}/metrics", headers=self._headers, timeout=5)
        except httpx.TransportError:
            return -1
        for line in metrics.text.splitlines():
            if line.startswith("financellm_workers "):
                return int(float(line.split()[1]))
        return -1

    def _raise_if_dead(self) -> None:
        for process in [self.api, *self.workers]:
            if process is not None and process.poll() not in (None, -signal.SIGKILL):
                raise RuntimeError(f"{process.args!r} ended with {process.returncode}\n{self.logs()}")

    def _start(self, name: str, command: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        log = (logs / f"{name}.log").open("ab")
        self._logs.append(log)
        return subprocess.Popen(command, env={**self.env, **(env or {})}, stdout=log, stderr=log)


def model_dir() -> Path:
    """The prepared model the tests use: FINANCELLM_MODEL_DIR, else the checkout's own."""
    default = Path(__file__).resolve().parents[2] / ".financellm" / "model"
    return Path(os.environ.get("FINANCELLM_MODEL_DIR", default))
