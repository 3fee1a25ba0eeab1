"""From a permit to a job's end: claim, tokenise, generate, write."""

import time
from collections.abc import Callable
from typing import TypeVar

from celery import Celery

from common import operations
from common.errors import FinanceLLMError, UnavailableError
from common.jobs import GenerateResult, JobError, JobStatus, Lane, Timings
from common.leases import ClaimedJob
from common.queue import send_permit
from common.store import JobStore
from common.telemetry import WorkerMetrics, get_logger, job_context
from worker.engine.loop import EngineLoop
from worker.engine.rows import AbortReason, RowAbortedError, RowOutcome
from worker.engine.text import Tokenizer
from worker.generation import LineGenerator
from worker.lease import HeldJob, LeaseKeeper
from worker.metrics import record_finished
from worker.progress import ProgressWriter
from worker.quarantine import QuarantineGate
from worker.second_chance import PageByPage
from worker.settings import WorkerSettings
from worker.tracing import JobTracer

T = TypeVar("T")

logger = get_logger("runner")

FIRST_RETRY_S = 0.2
LONGEST_RETRY_S = 5.0
STATUS_AFTER_ABORT = {AbortReason.CANCELLED: JobStatus.CANCELLED, AbortReason.EXPIRED: JobStatus.EXPIRED}


class JobRunner:
    """What one thread of the pool does with one message."""

    def __init__(
        self,
        store: JobStore,
        celery: Celery,
        settings: WorkerSettings,
        loop: EngineLoop,
        tokenizer: Tokenizer,
        gate: QuarantineGate,
        keeper: LeaseKeeper,
        progress: ProgressWriter,
        metrics: WorkerMetrics,
        model_revision: str,
        tracer: JobTracer,
    ) -> None:
        self._store = store
        self._celery = celery
        self._settings = settings
        self._loop = loop
        self._pages = PageByPage(LineGenerator(loop, tokenizer))
        self._keeper = keeper
        self._progress = progress
        self._metrics = metrics
        self._model_revision = model_revision
        self._tracer = tracer
        self._gate = gate

    def run_next(self, lane: Lane) -> bool:
        """Run the lane's next job to its end; False if none waited or the gate is closed."""
        claim = operations.claim(self._settings.worker_name, lane, self._settings.lease_ttl_ms)
        with self._gate.admit(lambda: self._store.run(claim), self._postpone) as claimed:
            if claimed is None:
                return False
            with job_context(claimed.job.id):
                self._run_claimed(claimed)
        return True

    def _postpone(self, claimed: ClaimedJob) -> None:
        logger.info("suspect job waits until it can run alone", job_id=claimed.job.id, losses=claimed.losses)
        self._store.run(operations.release(claimed.job.id, claimed.job.fencing_token, "quarantine"))

    def _run_claimed(self, claim: ClaimedJob) -> None:
        held = self._keeper.hold(claim)
        logger.info("job claimed", attempt=claim.job.attempt, lane=claim.job.lane.value, losses=claim.losses)
        try:
            self._run_held(held)
        finally:
            self._keeper.drop(held)

    def _run_held(self, held: HeldJob) -> None:
        try:
            result, written = self._generate(held)
        except RowAbortedError as error:
            self._end_aborted(held, error.reason)
        except FinanceLLMError as error:
            self._end(
                held, JobStatus.FAILED, JobError(code=error.code, message=error.message, retryable=error.retryable)
            )
        except Exception as error:
            logger.exception("job failed unexpectedly")
            text = f"The worker failed on this job: {type(error).__name__}."
            self._end(held, JobStatus.FAILED, JobError(code="internal_error", message=text))
        else:
            self._write(lambda: self._succeed(held, result, written), "succeeded")

    def _generate(self, held: HeldJob) -> tuple[GenerateResult, str]:
        """Return the result and all text that belongs into the event log."""
        generation, found = self._pages.answer(held)
        record_finished(self._metrics, held.claim, generation.outcome)
        self._tracer.answered(held.claim, generation.outcome)
        result = GenerateResult(
            text=found.text,
            finish_reason=generation.outcome.finish_reason,
            timings=self._timings(generation.outcome, generation.tokenize_ms),
            answer=found.answer,
        )
        return result, generation.written

    def _timings(self, outcome: RowOutcome, tokenize_ms: float) -> Timings:
        later_tokens = outcome.completion_tokens - outcome.rows
        rate = 1000 * later_tokens / outcome.decode_ms if later_tokens and outcome.decode_ms > 0 else None
        return Timings(
            # Redis' clock adds to the first and makes the second.
            queue_ms=outcome.wait_ms,
            total_ms=0.0,
            tokenize_ms=tokenize_ms,
            prefill_ms=outcome.prefill_ms,
            decode_ms=outcome.decode_ms,
            prompt_tokens=outcome.prompt_tokens,
            cached_prompt_tokens=outcome.cached_prompt_tokens,
            completion_tokens=outcome.completion_tokens,
            decode_tokens_per_second=rate,
            batch_size_mean=outcome.batch_size_mean,
            engine=self._loop.engine.capabilities.name,
            model_revision=self._model_revision,
        )

    def _succeed(self, held: HeldJob, result: GenerateResult, written: str) -> bool:
        last_text = self._progress.last_text(held, written)
        return self._store.run(operations.succeed(*held.lease, result, last_text))

    def _end(self, held: HeldJob, status: JobStatus, error: JobError | None = None) -> None:
        self._tracer.failed(held.claim, error.code if error else status.value)
        self._write(lambda: self._store.run(operations.end(*held.lease, status, error)), status.value)

    def _end_aborted(self, held: HeldJob, reason: AbortReason) -> None:
        if reason is AbortReason.LOST:
            logger.warning("job dropped: its lease passed on")
        elif reason in STATUS_AFTER_ABORT:
            self._end(held, STATUS_AFTER_ABORT[reason])
        else:
            self._hand_back(held)

    def _hand_back(self, held: HeldJob) -> None:
        lane = _until_redis_answers(lambda: self._store.run(operations.release(*held.lease, "drain")))
        if lane is not None:
            logger.info("job handed back")
            send_permit(self._celery, lane, held.claim.job.id)

    def _write(self, write: Callable[[], bool], status: str) -> None:
        if _until_redis_answers(write):
            logger.info("job ended", status=status)
        else:
            logger.warning("result dropped: the lease passed on", status=status)


def _until_redis_answers(write: Callable[[], T]) -> T:
    """Try a write until Redis answers; the lease, renewed or lost meanwhile, decides what it is worth."""
    delay_s = FIRST_RETRY_S
    while True:
        try:
            return write()
        except UnavailableError as error:
            logger.warning("write will be tried again", reason=error.message, delay_s=delay_s)
            time.sleep(delay_s)
            delay_s = min(2 * delay_s, LONGEST_RETRY_S)
