"""Sends the sample bulk to a running service and shows what comes back."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from api.cli_answers import proof_lines
from api.cli_output import print_timing_table, timing_line
from api.client import ApiClient, JsonObject
from api.samples import SampleQuestion, sample_questions
from common.jobs import JobStatus, Lane

_LONG_POLL_S = 1.0


class SampleRun:
    """One pass over the sample; `between_polls` is called at least every second and may raise to end it."""

    def __init__(self, client: ApiClient, console: Console, between_polls: Callable[[], None]) -> None:
        self._client = client
        self._console = console
        self._between_polls = between_polls

    def run(self) -> int:
        """Submit all questions, print each answer as it comes and a table at the end; returns how many failed."""
        questions = sample_questions()
        started_s = time.monotonic()
        waiting = {self._submit(question): question for question in questions}
        self._console.print(f"\nA sample bulk of {len(questions)} questions:\n", highlight=False)
        jobs: list[JsonObject] = []
        with self._console.status("Waiting for answers") as status:
            while waiting:
                for job in self._ended(list(waiting)):
                    self._show(waiting.pop(job["id"]), job)
                    jobs.append(job)
                status.update(f"{len(jobs)} of {len(questions)} answered")
        print_timing_table(self._console, jobs, time.monotonic() - started_s)
        return sum(job["status"] != JobStatus.SUCCEEDED for job in jobs)

    def _submit(self, question: SampleQuestion) -> str:
        request = question.model_dump(include={"question", "context", "max_tokens"})
        job = self._client.submit(request | {"lane": Lane.BULK, "metadata": {"sample": question.id}})
        job_id: str = job["id"]
        return job_id

    def _ended(self, job_ids: list[str]) -> list[JsonObject]:
        """Look at every job, waiting a moment for the first one."""
        looks = []
        for position, job_id in enumerate(job_ids):
            self._between_polls()
            looks.append(self._client.job(job_id, wait_s=0 if position else _LONG_POLL_S))
        return [job for job in looks if JobStatus(job["status"]).is_terminal]

    def _show(self, question: SampleQuestion, job: JsonObject) -> None:
        lines = Text()
        lines.append(f"{question.company}: {question.question}\n", style="bold")
        if job["status"] == JobStatus.SUCCEEDED:
            lines.append(f"  answer  {job['result']['text'].strip()}\n")
            lines.append(f"  report  {question.expected}\n", style="dim")
            lines.append("".join(f"  {line}\n" for line in proof_lines(job)), style="dim")
            lines.append(f"  {timing_line(job)}\n", style="dim")
        else:
            reason = job["error"]["message"] if job["error"] else "no reason given"
            lines.append(f"  {job['status']}: {reason}\n", style="red")
        self._console.print(lines, soft_wrap=True)
