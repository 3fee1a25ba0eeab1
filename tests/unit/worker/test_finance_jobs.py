"""Finance jobs through a worker's runner, over an engine that writes what a test tells it to."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common import operations
from common.events import EventType, events_from_entries
from common.finance_answers import FinanceAnswer, ResultKind, Source, Verification
from common.finance_requests import finance_request
from common.finance_tasks import Task
from common.jobs import Job, JobStatus, Lane, new_job_id
from common.store import JobStore
from common.submissions import NewJob
from common.telemetry import WorkerMetrics
from tests.support.scripted_engine import ScriptedEngine
from tests.support.values import WORKER
from worker.engine.fake import ByteTokenizer
from worker.engine.loop import EngineLoop
from worker.lease import LeaseKeeper
from worker.progress import ProgressWriter
from worker.quarantine import QuarantineGate
from worker.runner import JobRunner
from worker.settings import WorkerSettings
from worker.tracing import JobTracer

QUESTION = "By how much did revenue grow?"
SOURCE = Source(document="context", text="Revenue was $120.5 million in 2023 and $100.0 million in 2022.")
CALLER = "alice"


class Bench:
    """One worker's runner without processes: `run` takes the next job to its end."""

    def __init__(self, store: JobStore, engine: ScriptedEngine) -> None:
        self.store = store
        self.engine = engine
        self.loop = EngineLoop(lambda: engine, ByteTokenizer())
        self.keeper = LeaseKeeper(store, 20_000, lambda running: WORKER)
        self.progress = ProgressWriter(store, self.keeper)
        nothing: Any = None
        self._runner = JobRunner(
            store,
            nothing,
            WorkerSettings(engine="fake"),
            self.loop,
            ByteTokenizer(),
            QuarantineGate(1),
            self.keeper,
            self.progress,
            WorkerMetrics(CollectorRegistry()),
            "r0",
            JobTracer("fake"),
        )

    def submit(self, max_tokens: int = 60, deadline_ms: int | None = None) -> str:
        request = finance_request(QUESTION, [SOURCE], Task.FIGURES, max_tokens)
        job = NewJob(
            id=new_job_id(),
            lane=Lane.INTERACTIVE,
            caller=CALLER,
            flow=CALLER,
            request=request,
            prompt_tokens=90,
            deadline_ms=deadline_ms,
        )
        self.store.run(operations.submit(job, 1_000_000, 3600))
        return job.id

    def run(self) -> None:
        assert self._runner.run_next(Lane.INTERACTIVE)

    def job(self, job_id: str) -> Job:
        described = self.store.run(operations.describe(job_id, CALLER))
        assert described is not None
        return described.job

    def log_text(self, job_id: str) -> str:
        """What a listener of the event log puts together."""
        entries: Any = self.store.client.xrange(self.store.keys.events(job_id))
        tokens = [event.data for event in events_from_entries(entries) if event.type is EventType.TOKEN]
        text = ""
        for token in tokens:
            assert token["offset"] == len(text)
            text += token["text"]
        return text

    def answer(self, **submission: Any) -> tuple[Job, FinanceAnswer]:
        job_id = self.submit(**submission)
        self.run()
        job = self.job(job_id)
        assert job.result is not None, job
        assert job.result.answer is not None
        return job, job.result.answer


@pytest.fixture
def bench(memory_store: JobStore) -> Callable[..., Any]:
    @contextmanager
    def started(script: Mapping[str, str], step_ms: float = 0) -> Iterator[Bench]:
        built = Bench(memory_store, ScriptedEngine(script, step_ms))
        try:
            yield built
        finally:
            built.loop.close()

    return started


def test_a_program_becomes_a_verified_number(bench: Callable[..., Any]) -> None:
    """Given a line that can be read, when the job ends, then its text is for people and its log holds the line."""
    line = "=pct(120.5,100.0) | percent"
    with bench({QUESTION: line}) as worker:
        job, answer = worker.answer()
        assert worker.log_text(job.id) == line == answer.line
    assert job.result is not None
    assert job.result.text == "20.5%"
    assert (answer.kind, answer.verification, answer.value) == (ResultKind.NUMBER, Verification.VERIFIED, "20.5")
    assert answer.citations[0].quote == SOURCE.text
    assert not answer.retried
    assert job.result.timings.completion_tokens == len(line) + 1


def test_a_line_without_its_scale_is_finished_by_a_second_try(bench: Callable[..., Any]) -> None:
    """Given a line that lacks its scale, when the job ends, then a second row continued it and both are counted."""
    with bench({QUESTION: "$120.5 million", "$120.5 million |": " none"}) as worker:
        job, answer = worker.answer()
        first, second = worker.engine.requests
        assert worker.log_text(job.id) == "$120.5 million\n$120.5 million | none"
    assert job.result is not None
    assert (job.result.text, answer.line, answer.retried) == ("$120.5 million", "$120.5 million | none", True)
    assert (answer.kind, answer.verification) == (ResultKind.SPANS, Verification.VERIFIED)
    # The second row is no longer than the first one, which was admitted
    prefix_tokens = len("$120.5 million |")
    assert len(second.prompt_token_ids) == len(first.prompt_token_ids) + prefix_tokens
    assert second.max_tokens == first.max_tokens - prefix_tokens
    timings = job.result.timings
    assert timings.completion_tokens == len("$120.5 million") + 1 + len(" none") + 1
    assert timings.prompt_tokens == len(first.prompt_token_ids) + len(second.prompt_token_ids)
    assert timings.cached_prompt_tokens > 0
    assert timings.total_ms >= int(timings.prefill_ms + timings.decode_ms)


def test_a_second_try_that_fails_too_is_an_unparseable_answer(bench: Callable[..., Any]) -> None:
    with bench({QUESTION: "=120.5 minus 100", "=": "120.5 minus"}) as worker:
        job, answer = worker.answer()
    assert job.status is JobStatus.SUCCEEDED
    assert job.result is not None
    assert (answer.kind, answer.verification) == (ResultKind.UNPARSEABLE, Verification.UNVERIFIED)
    assert (job.result.text, answer.line, answer.retried) == ("=120.5 minus", "=120.5 minus", True)


def test_no_second_try_where_no_token_is_left_for_it(bench: Callable[..., Any]) -> None:
    with bench({QUESTION: "a long story about revenue"}) as worker:
        _, answer = worker.answer(max_tokens=12)
        assert len(worker.engine.requests) == 1
    assert (answer.kind, answer.retried) == (ResultKind.UNPARSEABLE, False)


@pytest.mark.parametrize(("end", "status"), [("cancel", JobStatus.CANCELLED), ("deadline", JobStatus.EXPIRED)])
def test_a_job_ends_at_once_in_its_second_try(bench: Callable[..., Any], end: str, status: JobStatus) -> None:
    """Given a job in the middle of a long second try, when it is cancelled or late, then it ends as that."""
    script = {QUESTION: "long", "long |": " word" * 400}
    with bench(script, step_ms=2) as worker:
        job_id = worker.submit(max_tokens=2_000, deadline_ms=400 if end == "deadline" else None)
        thread = threading.Thread(target=worker.run)
        thread.start()
        while len(worker.engine.requests) < 2:
            time.sleep(0.005)
        worker.progress.flush()
        if end == "cancel":
            worker.store.run(operations.cancel(job_id, CALLER))
            worker.keeper.cancel(job_id)
        thread.join(10)
        assert not thread.is_alive()
        assert worker.job(job_id).status is status
        assert worker.log_text(job_id).startswith("long\nlong |")


def test_a_cancellation_between_the_tries_keeps_the_second_from_running(
    bench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a cancellation that comes when the first row has ended, then the second one is not generated."""
    with bench({QUESTION: "broken", "broken |": " none"}) as worker:
        job_id = worker.submit()
        submit = worker.loop.submit

        def cancelling(*arguments: Any) -> Any:
            if arguments[-1]:
                worker.keeper.cancel(job_id)
            return submit(*arguments)

        monkeypatch.setattr(worker.loop, "submit", cancelling)
        worker.run()
        assert worker.job(job_id).status is JobStatus.CANCELLED
