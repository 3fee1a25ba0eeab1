"""Real `python -m worker` processes for tests, and what a test does to them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from celery import Celery

from common import operations
from common.events import EventType, JobEvent, events_from_entries
from common.jobs import GenerateRequest, Job, JobStatus, Lane, new_job_id
from common.prompts import question_messages
from common.queue import make_celery, send_permit
from common.settings import Settings
from common.store import JobStore
from common.submissions import NewJob

# Leases short enough for a quick test, long enough for a busy machine.
QUICK_LEASES = {
    "FINANCELLM_LEASE_TTL_MS": "2500",
    "FINANCELLM_HEARTBEAT_INTERVAL_MS": "400",
    "FINANCELLM_REAPER_INTERVAL_MS": "200",
}
CALLER = "tester"


class Workers:
    """Worker processes on one Redis; `env` adds settings to all of them. Leaving the block kills those still there."""

    def __init__(self, redis_url: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
        self._own = {
            "FINANCELLM_REDIS_URL": redis_url,
            "FINANCELLM_DATA_DIR": str(folder),
            "FINANCELLM_ENGINE": "fake",
            "FINANCELLM_FAKE_FAULTS": "true",
            "FINANCELLM_FAKE_STEP_MS": "20",
            **(env or {}),
        }
        self._env = {**kept, **self._own}
        self._folder = folder
        self.settings = Settings(redis_url=redis_url, data_dir=folder)
        self.store = JobStore.connect(self.settings)
        self.celery: Celery = make_celery(self.settings)
        self.processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.celery.close()
        self.store.client.close()

    def start(
        self, env: Mapping[str, str] | None = None, ready: bool = True, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start one more worker, by default until it has signed on."""
        name = f"worker-{len(self.processes)}"
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "worker"],
                env={**self._env, "FINANCELLM_WORKER_NAME": name, **(env or {})},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        if ready:
            self.wait_until(lambda: name in self.live_workers(), 40, f"{name} to sign on")
        return process

    def live_workers(self) -> set[str]:
        """Return the names of workers that sent a heartbeat lately."""
        return {worker.name for worker in self.store.run(operations.overview()).workers}

    def submit(
        self,
        question: str,
        max_tokens: int = 20,
        deadline_ms: int | None = None,
        webhook_url: str | None = None,
        lane: Lane = Lane.INTERACTIVE,
        permits: int = 1,
        stop: tuple[str, ...] = (),
        request: GenerateRequest | None = None,
    ) -> str:
        """Accept a job and send its permits; returns its id. A `request` takes the place of the plain question."""
        if request is None:
            messages = question_messages(question, None, None)
            request = GenerateRequest(messages=messages, max_tokens=max_tokens, stop=stop)
        job = NewJob(
            id=new_job_id(),
            lane=lane,
            caller=CALLER,
            flow=CALLER,
            request=request,
            prompt_tokens=50,
            deadline_ms=deadline_ms,
            webhook_url=webhook_url,
        )
        submission = self.store.run(operations.submit(job, max_backlog_tokens=10_000_000, result_ttl_s=3600))
        assert submission.job_id == job.id, submission
        for _ in range(permits):
            send_permit(self.celery, lane, job.id)
        return job.id

    def job(self, job_id: str) -> Job:
        """Read a job."""
        described = self.store.run(operations.describe(job_id, CALLER))
        assert described is not None, job_id
        return described.job

    def events(self, job_id: str) -> list[JobEvent]:
        """Read a job's event log."""
        entries: Any = self.store.client.xrange(self.store.keys.events(job_id))
        return events_from_entries(entries)

    def types(self, job_id: str) -> list[EventType]:
        """Read the types of a job's events, tokens left out."""
        return [event.type for event in self.events(job_id) if event.type is not EventType.TOKEN]

    def cancel(self, job_id: str) -> None:
        """Ask for a job's cancellation."""
        self.store.run(operations.cancel(job_id, CALLER))

    def wait_end(self, job_id: str, timeout_s: float = 30) -> Job:
        """Wait until a job has ended."""
        self.wait_until(lambda: self.job(job_id).status.is_terminal, timeout_s, f"{job_id} to end")
        return self.job(job_id)

    def wait_status(self, job_id: str, status: JobStatus, timeout_s: float = 30) -> None:
        """Wait until a job has a status."""
        self.wait_until(lambda: self.job(job_id).status is status, timeout_s, f"{job_id} to be {status}")

    def wait_text(self, job_id: str, timeout_s: float = 30) -> None:
        """Wait until a job's log holds text, so that it is in the middle of its generation."""
        self.wait_until(lambda: any(event.type is EventType.TOKEN for event in self.events(job_id)), timeout_s, "text")

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Poll a condition; raises TimeoutError with the ends of the workers' logs."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"waited {timeout_s} s for {what}\n{self.logs()}")
            time.sleep(0.02)

    def logs(self) -> str:
        """Return the end of every worker's log."""
        texts = []
        for path in sorted(self._folder.glob("worker-*.log")):
            lines = path.read_text("utf-8", errors="replace").splitlines()
            texts.append("\n".join([f"== {path.name}", *(line[:600] for line in lines[-40:])]))
        return "\n".join(texts)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill a worker as kill -9 does, and wait until it is gone."""
    process.send_signal(signal.SIGKILL)
    process.wait()
