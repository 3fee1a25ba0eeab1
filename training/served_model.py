"""The merged model behind the service itself, so that the pipeline scores what users get."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx

from common import die_with_parent
from common.errors import UnavailableError

LOG_NAME = "service.log"
READY_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 60.0

_POLL_S = 0.2
_TAIL_CHARACTERS = 2_000
# Settings of the user's own deployment must not reach this one, but for those that say how to compute.
_KEPT_SETTINGS = frozenset({"FINANCELLM_ENGINE", "FINANCELLM_ENGINE_THREADS", "FINANCELLM_ISA"})


@contextmanager
def served_model(model_dir: Path, adapter: Path, source: str, folder: Path) -> Iterator[str]:
    """Run Redis, a worker with this model and a gateway on loopback for the block; yield the gateway's address.

    Logs and Redis data lie in `folder`. Raises UnavailableError with the end of the log where the service does not
    start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    # -P keeps the current folder from shadowing the installation.
    service = (sys.executable, "-P", "-m", "api.cli", "up", "--workers", "1", "--port", str(port))
    orphaned = (sys.executable, "-I", "-S", die_with_parent.__file__, str(int(signal.SIGTERM)), str(os.getpid()))
    settings = {
        "FINANCELLM_DATA_DIR": str(folder),
        "FINANCELLM_MODEL_DIR": str(model_dir),
        "FINANCELLM_MODEL_SOURCE": source,
        "FINANCELLM_ADAPTER": str(adapter),
        "FINANCELLM_API_HOST": "127.0.0.1",
    }
    log_path = folder / LOG_NAME
    with log_path.open("wb") as log:
        # A group of its own: Ctrl-C reaches the pipeline, which stops the service in order.
        process = subprocess.Popen(
            (*orphaned, *service),
            env=_environment(os.environ, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
        try:
            yield _wait_until_ready(process, f"http://127.0.0.1:{port}", log_path)
        finally:
            _stop(process)


def _environment(outer: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in outer.items() if not name.startswith("FINANCELLM_")}
    return kept | {name: outer[name] for name in _KEPT_SETTINGS & outer.keys()} | dict(settings)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log_path: Path) -> str:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        if _is_ready(url):
            return url
        time.sleep(_POLL_S)
    end = log_path.read_text("utf-8", "replace")[-_TAIL_CHARACTERS:]
    raise UnavailableError(f"The service that the model is scored through did not start. The end of {log_path}:\n{end}")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == HTTPStatus.OK
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
