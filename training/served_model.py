"""The merged model behind the service itself, so that the pipeline scores what users get."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from common import die_with_parent
from common.errors import UnavailableError

LOG_NAME = "service.log"
READY_TIMEOUT_S = 600.0
STOP_TIMEOUT_S = 60.0

_POLL_S = 0.2
_TAIL_CHARACTERS = 2_000
# What `financellm up` prints when questions can be answered.
_SERVING = re.compile(r"^Serving at (\S+)$", re.MULTILINE)
# Settings of the user's own deployment must not reach this one, but for those that say how to compute.
_KEPT_SETTINGS = frozenset({"FINANCELLM_ENGINE", "FINANCELLM_ENGINE_THREADS", "FINANCELLM_ISA"})


@contextmanager
def served_model(model_dir: Path, adapter: Path, source: str, folder: Path) -> Iterator[str]:
    """Run Redis, a worker with this model and a gateway on loopback for the block; yield the gateway's address.

    Logs and Redis data lie in `folder`. Raises UnavailableError with the end of the log where the service does not
    start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # -P keeps the current folder from shadowing the installation.
    service = (sys.executable, "-P", "-m", "api.cli", "up", "--port", "0")
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
            die_with_parent.command_of(signal.SIGTERM, service),
            env=_environment(os.environ, settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
        try:
            yield _address(process, log_path)
        finally:
            _stop(process)


def _environment(outer: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in outer.items() if not name.startswith("FINANCELLM_")}
    return kept | {name: outer[name] for name in _KEPT_SETTINGS & outer.keys()} | dict(settings)


def _address(process: subprocess.Popen[bytes], log_path: Path) -> str:
    """Return where the service answers, as soon as it does."""
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline_s:
        if serving := _SERVING.search(log_path.read_text("utf-8", "replace")):
            return serving[1]
        time.sleep(_POLL_S)
    end = log_path.read_text("utf-8", "replace")[-_TAIL_CHARACTERS:]
    raise UnavailableError(f"The service that the model is scored through did not start. The end of {log_path}:\n{end}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
