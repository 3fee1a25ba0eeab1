"""Redis, workers and the gateway as processes of this machine, in the order they start."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from rich.console import Console

from api.client import API_KEY_VARIABLE, ApiClient
from api.keys import new_api_key
from api.local_redis import any_free_port, find_redis_server, free_port, port_is_free, redis_arguments
from api.processes import ProcessSpec, StartError, Supervisor, run_to_end, tail
from api.settings import ApiSettings
from api.stop_signals import StopSignals
from common.errors import ConfigurationError, UnavailableError

REDIS_TIMEOUT_S = 60.0
READY_TIMEOUT_S = 600.0
PORTS_TRIED = 20
SAMPLE_CALLER = "sample"
PREPARE_MODULE = "training.prepare"
# On top of the time a process takes for itself before the parent kills it.
GRACE_MARGIN_S = 10.0

_DEFAULT_DRAIN_S = 20.0
_TICK_S = 0.1
_REDIS_VARIABLE = "FINANCELLM_REDIS_URL"
_PORT_VARIABLES = ("FINANCELLM_API_PORT", "PORT")


class LocalStack:
    """Starts the parts, watches them, stops them; `url` and `api_key` are how to reach the gateway once started."""

    def __init__(self, settings: ApiSettings, console: Console, stop: StopSignals) -> None:
        self.url = ""
        self.api_key = os.environ.get(API_KEY_VARIABLE)
        self._settings = settings
        self._console = console
        self._stop = stop
        self._data_dir = settings.data_dir.absolute()
        self._supervisor = Supervisor(self._say)
        self._environment = dict(os.environ) | {"FINANCELLM_DATA_DIR": str(self._data_dir), "PYTHONUNBUFFERED": "1"}

    def start(self, workers: int, port: int | None) -> None:
        """Prepare the model, start every part and return when questions can be answered.

        Raises FinanceLLMError that says which part failed, StopRequestedError when asked to stop.
        """
        self._prepare_model()
        self._start_redis()
        for number in range(1, workers + 1):
            self._start_worker(f"worker-{number}")
        self._start_api(port)
        self._wait_until_ready()

    def check(self) -> None:
        """Look after the processes; raises StartError if one died that is not started again."""
        self._supervisor.check()

    def stop(self) -> None:
        """Stop what was started and nothing else."""
        names = [child.spec.name for child in reversed(self._supervisor.children)]
        if names:
            self._say(f"Stopping {', '.join(names)}.")
        self._supervisor.stop(lambda: self._stop.hurry)

    def _prepare_model(self) -> None:
        if self._settings.engine == "fake":
            self._say("The engine is `fake`: no model is needed, and answers mean nothing.")
            return
        spec = ProcessSpec("prepare", "prepare", python_module(PREPARE_MODULE), self._environment)
        if run_to_end(spec, self._stop.pause) != 0:
            raise StartError("The model could not be prepared; the lines above say why.")

    def _start_redis(self) -> None:
        if _REDIS_VARIABLE in os.environ:
            _check_redis(self._settings.redis_url)
            self._say(f"Redis is the one of {_REDIS_VARIABLE}.")
            return
        folder = self._data_dir / "redis"
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self._environment[_REDIS_VARIABLE] = f"redis://127.0.0.1:{port}/0"
        spec = ProcessSpec(
            "redis",
            "redis",
            (str(find_redis_server()), *redis_arguments(folder, port)),
            self._environment,
            self._log("redis"),
            # Without its parent it gets SIGTERM and not SIGKILL, so that it writes its file to the end.
            orphan_signal=signal.SIGTERM,
        )
        self._supervisor.start(spec)
        with self._waiting(f"Redis on port {port}"), redis.Redis(port=port, socket_timeout=5) as client:
            self._poll(lambda: _answers(client), REDIS_TIMEOUT_S)

    def _start_worker(self, name: str) -> None:
        grace_s = float(os.environ.get("FINANCELLM_DRAIN_S", _DEFAULT_DRAIN_S)) + GRACE_MARGIN_S
        spec = ProcessSpec(
            name, "worker", python_module("worker"), self._environment, self._log(name), restarts=True, grace_s=grace_s
        )
        self._supervisor.start(spec)

    def _start_api(self, port: int | None) -> None:
        port = self._choose_port(port)
        environment = self._environment | {"FINANCELLM_API_PORT": str(port)}
        hashes = self._settings.api_key_hashes.get_secret_value()
        if hashes and self.api_key is None:
            # The sample needs a key of its own, which lives as long as these processes.
            self.api_key, entry = new_api_key(SAMPLE_CALLER)
            environment["FINANCELLM_API_KEY_HASHES"] = f"{hashes},{entry}"
        grace_s = self._settings.shutdown_timeout_s + GRACE_MARGIN_S
        spec = ProcessSpec("api", "api", python_module("api"), environment, self._log("api"), grace_s=grace_s)
        self._supervisor.start(spec)
        self.url = f"http://{_reachable(self._settings.api_host)}:{port}"

    def _choose_port(self, asked: int | None) -> int:
        host, configured = self._settings.api_host, self._settings.api_port
        if asked is None and not any(name in os.environ for name in _PORT_VARIABLES):
            return self._free_port_near(configured)
        wanted = configured if asked is None else asked
        if wanted == 0:
            return any_free_port()
        if not port_is_free(wanted, host):
            raise ConfigurationError(f"Port {wanted} on {host} is taken by another program. Choose another --port.")
        return wanted

    def _free_port_near(self, first: int) -> int:
        for port in range(first, first + PORTS_TRIED):
            if port_is_free(port, self._settings.api_host):
                if port != first:
                    self._say(f"Port {first} is taken by another program; using {port}.")
                return port
        raise ConfigurationError(f"Ports {first} to {first + PORTS_TRIED - 1} are all taken. Choose one with --port.")

    def _wait_until_ready(self) -> None:
        with self._waiting("Worker and api"), ApiClient(self.url) as client:
            self._poll(lambda: _is_ready(client), READY_TIMEOUT_S)

    def _poll(self, is_done: Callable[[], bool], timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_done():
            self._stop.pause(_TICK_S)
            self._supervisor.fail_on_death()
            if time.monotonic() > deadline_s:
                logs = [child.spec.log_path for child in self._supervisor.children]
                ends = [f"The end of {path}:\n" + "\n".join(tail(path)) for path in logs if path is not None]
                raise StartError("\n".join([f"Not ready within {timeout_s:.0f} s.", *ends]))

    def _log(self, name: str) -> Path:
        """Return a process's log file; the one of the run before is set aside."""
        path = self._data_dir / "logs" / f"{name}.log"
        if path.is_file():
            path.replace(path.with_suffix(".log.1"))
        return path

    @contextmanager
    def _waiting(self, title: str) -> Iterator[None]:
        started_s = time.monotonic()
        with self._console.status(f"{title}: starting"):
            yield
        self._say(f"{title}: ready after {time.monotonic() - started_s:.1f} s.")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def python_module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this installation; -P keeps the current folder from shadowing it."""
    return (sys.executable, "-P", "-m", name, *arguments)


def _check_redis(url: str) -> None:
    try:
        with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise StartError(f"The Redis of {_REDIS_VARIABLE} does not answer: {error}.") from error


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _is_ready(client: ApiClient) -> bool:
    try:
        return client.readiness().get("status") == "ready"
    except UnavailableError:
        return False


def _reachable(host: str) -> str:
    """Return the name under which this machine reaches a server that listens on `host`."""
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - names, nothing listens here
    return f"[{own}]" if ":" in own else own
