"""`financellm up` as a process, with the fake engine and a Redis of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from api.local_redis import any_free_port
from tests.support.redis_process import RedisProcess

START_TIMEOUT_S = 120


class Up:
    """A running `financellm up` and what it prints."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self.port = any_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
        settings = {"FINANCELLM_DATA_DIR": str(folder), "FINANCELLM_ENGINE": "fake", "COLUMNS": "80", **environment}
        self._output = folder.with_suffix(".out").open("wb")
        command = [sys.executable, "-m", "api.cli", "up", "--port", str(self.port), *arguments]
        self.process = subprocess.Popen(command, env=kept | settings, stdout=self._output, stderr=subprocess.STDOUT)

    @property
    def output(self) -> str:
        return self.folder.with_suffix(".out").read_text("utf-8", "replace")

    def wait_for_serving(self) -> None:
        self.until(lambda: "Serving at" in self.output)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline_s, self.output
            time.sleep(0.05)

    def children(self) -> dict[str, psutil.Process]:
        """Return the running children by what they are."""
        found = {}
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                # A child that has not become its program yet, or is gone already, has no words.
                if words := process.cmdline():
                    found["redis" if "redis-server" in words[0] else words[-1]] = process
        return found

    def close(self) -> None:
        # The kernel ends the children of a parent that is killed; a test checks that.
        self.process.kill()
        self.process.wait()
        self._output.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    running: list[Up] = []

    def start_one(*arguments: str, **environment: str) -> Up:
        running.append(Up(tmp_path / "data", *arguments, **environment))
        return running[-1]

    yield start_one
    for up in running:
        up.close()


def gone(processes: dict[str, psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes.values())


def wait_until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_once_answers_the_sample_and_ends_with_success(start: Callable[..., Up]) -> None:
    # When the stack is started for one sample
    up = start("--once")
    assert up.process.wait(START_TIMEOUT_S) == 0, up.output
    # Then every answer came with its times, and nothing keeps running
    assert "10 of 10 succeeded" in up.output
    assert up.output.count(" · prefill ") == 10
    assert up.output.rstrip().endswith("Stopping api, worker-1, redis.")
    assert (up.folder / "redis" / "appendonly.aof").stat().st_size > 0


def test_once_fails_if_a_job_fails(start: Callable[..., Up]) -> None:
    # Given a service that admits no job as large as the sample's
    up = start("--once", FINANCELLM_MAX_JOB_TOKENS="64")
    assert up.process.wait(START_TIMEOUT_S) == 4, up.output
    assert "limit" in up.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_what_was_started_and_nothing_else(
    start: Callable[..., Up], redis_process: RedisProcess, number: signal.Signals
) -> None:
    # Given a serving stack of four processes, and a Redis that is not its own
    up = start("--workers", "2", "--sample")
    up.wait_for_serving()
    assert f"{up.url}/docs" in up.output
    children = psutil.Process(up.process.pid).children()
    assert len(children) == 4
    # When it is told to stop
    up.process.send_signal(number)
    # Then it ends well, its children are gone, the other Redis is not
    assert up.process.wait(60) == 0, up.output
    assert gone({str(child.pid): child for child in children})
    assert "Stopping api, worker-2, worker-1, redis." in up.output
    assert redis_process.url
    with httpx.Client() as client, pytest.raises(httpx.ConnectError):
        client.get(f"{up.url}/livez")


def test_kill_leaves_no_orphan_and_the_next_start_goes_on(start: Callable[..., Up]) -> None:
    # Given a serving stack that has done its sample
    up = start("--sample")
    up.wait_for_serving()
    children = up.children()
    assert set(children) == {"redis", "worker", "api"}
    # When it is killed with no chance to clean up, then the kernel ends its children
    up.process.kill()
    wait_until(lambda: gone(children))
    # And the next start finds the finished jobs
    again = start()
    again.wait_for_serving()
    page = httpx.get(f"{again.url}/v1/jobs").json()
    assert [job["status"] for job in page["data"]] == ["succeeded"] * 10


def test_a_killed_worker_is_reported_and_started_again(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for_serving()
    worker = up.children()["worker"]
    # When the worker is killed
    worker.kill()
    # Then that is told, and another takes its place and answers
    up.until(lambda: "worker-1" in up.output and "SIGKILL" in up.output and "again in 1 s" in up.output)
    up.until(lambda: up.children().get("worker", worker).pid != worker.pid)
    job = httpx.post(f"{up.url}/v1/jobs", json={"question": "?"}, headers={"Prefer": "wait=60"}, timeout=90).json()
    assert job["status"] == "succeeded"


def test_without_its_api_the_stack_ends_and_says_so(start: Callable[..., Up]) -> None:
    up = start()
    up.wait_for_serving()
    children = up.children()
    children["api"].kill()
    assert up.process.wait(60) == 1, up.output
    assert "The process api" in up.output
    assert "killed by SIGKILL" in up.output
    assert gone(children)


def test_a_worker_that_cannot_start_ends_the_start_with_its_log(start: Callable[..., Up]) -> None:
    up = start(FINANCELLM_MAX_ROWS="0")
    assert up.process.wait(START_TIMEOUT_S) == 1, up.output
    assert "worker-1" in up.output
    assert "FINANCELLM_MAX_ROWS" in up.output


def test_two_stacks_do_not_share_a_data_folder(start: Callable[..., Up]) -> None:
    first = start()
    first.wait_for_serving()
    second = start()
    assert second.process.wait(60) == 1
    assert f"process {first.process.pid}" in second.output
    assert first.process.poll() is None


def test_a_redis_of_the_users_is_used_and_left_running(start: Callable[..., Up], redis_process: RedisProcess) -> None:
    up = start("--once", FINANCELLM_REDIS_URL=redis_process.url, FINANCELLM_KEY_PREFIX="up-test")
    assert up.process.wait(START_TIMEOUT_S) == 0, up.output
    assert "Stopping api, worker-1." in up.output
    assert not (up.folder / "redis").exists()


def test_a_taken_port_is_refused_if_it_was_asked_for(start: Callable[..., Up], redis_process: RedisProcess) -> None:
    up = start("--port", str(redis_process.port))
    assert up.process.wait(START_TIMEOUT_S) == 1
    assert f"Port {redis_process.port}" in up.output


def test_the_sample_gets_a_key_of_its_own_where_keys_are_needed(start: Callable[..., Up]) -> None:
    # Given a service that needs keys, and no key in the environment
    up = start("--sample", FINANCELLM_API_KEY_HASHES="research=" + "0" * 64)
    up.wait_for_serving()
    # Then the sample was answered all the same, and strangers are still refused
    assert "10 of 10 succeeded" in up.output
    assert httpx.get(f"{up.url}/v1/jobs").status_code == 401
