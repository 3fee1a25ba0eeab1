"""What callers can do with jobs: submit, look, wait, cancel, list."""

import hashlib
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast

from structlog.contextvars import bind_contextvars

from api.admission import Admission
from api.notifications import Listener, Notifications
from api.permits import PermitSender
from api.rendering import Rendering
from api.schemas import JOB_ID_PATTERN, JobSubmission
from api.settings import ApiSettings
from common import operations
from common.errors import (
    FinanceLLMError,
    IdempotencyMismatchError,
    NotFoundError,
    UnavailableError,
)
from common.jobs import Job, JobStatus, WebhookState, new_job_id
from common.operations import DescribedJob
from common.store import AsyncJobStore, translated_errors
from common.submissions import NewJob, Outcome, Submission
from common.telemetry import GatewayMetrics
from common.tracing import current_traceparent

_JOB_ID = re.compile(JOB_ID_PATTERN)

ClientGone = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted job; `replayed` when the Idempotency-Key had already started it."""

    described: DescribedJob
    replayed: bool


class JobService:
    """Everything the job routes do, one method a verb."""

    def __init__(
        self,
        settings: ApiSettings,
        store: AsyncJobStore,
        admission: Admission,
        permits: PermitSender,
        notifications: Notifications,
        metrics: GatewayMetrics,
    ) -> None:
        self._settings = settings
        self._store = store
        self._admission = admission
        self._permits = permits
        self._notifications = notifications
        self._metrics = metrics
        self._rendering = Rendering()

    async def submit(self, caller: str, submission: JobSubmission, idempotency_key: str | None) -> Accepted:
        """Accept a job or raise what speaks against it; an accepted job is never lost."""
        try:
            return await self._submit(caller, submission, idempotency_key)
        except FinanceLLMError as error:
            self._metrics.refusals.labels(error.code).inc()
            raise

    async def accept(self, job: NewJob) -> Accepted:
        """Queue a job whose prompt was counted; raises QueueFullErrors and IdempotencyMismatchError."""
        job = replace(job, traceparent=current_traceparent())
        most_open = self._settings.limits_of(job.caller).open_jobs or None
        answer = await self._store.run(
            operations.submit(job, self._settings.max_backlog_tokens, self._settings.result_ttl_s, most_open)
        )
        return await self._outcome(job, answer)

    async def get(self, caller: str, job_id: str) -> DescribedJob:
        """Return a caller's job; raises NotFoundError."""
        if not _JOB_ID.match(job_id):
            raise _unknown(job_id)
        described = await self._store.run(operations.describe(job_id, caller))
        if described is None:
            raise _unknown(job_id)
        return described

    async def wait(self, caller: str, job_id: str, wait_s: float, gone: ClientGone) -> DescribedJob:
        """Return a caller's job when it has ended, or as it is after `wait_s` or at shutdown."""
        until_s = time.monotonic() + wait_s
        with self._notifications.listen(job_id) as listener:
            described = await self.get(caller, job_id)
            if described.job.status.is_terminal or wait_s <= 0:
                return described
            await self._until_ended(job_id, listener, until_s, gone)
        return await self.get(caller, job_id)

    async def cancel(self, caller: str, job_id: str) -> DescribedJob:
        """Cancel a queued job at once, ask for the end of a running one, leave an ended one."""
        if not _JOB_ID.match(job_id):
            raise _unknown(job_id)
        if await self._store.run(operations.cancel(job_id, caller)) is None:
            raise _unknown(job_id)
        return await self.get(caller, job_id)

    async def page(self, caller: str, after: str | None, most_jobs: int) -> tuple[tuple[Job, ...], bool]:
        """Return jobs below `after`, newest first, and whether more follow."""
        jobs = await self._store.run(operations.list_jobs(caller, after, most_jobs + 1))
        return jobs[:most_jobs], len(jobs) > most_jobs

    async def _submit(self, caller: str, submission: JobSubmission, idempotency_key: str | None) -> Accepted:
        request = await self._rendering.request(submission)
        prompt_tokens = await self._admission.prompt_tokens(request)
        if submission.webhook is not None:
            await self._admission.check_webhook(submission.webhook)
        job = NewJob(
            id=new_job_id(),
            lane=submission.lane,
            caller=caller,
            flow=caller,
            request=request,
            prompt_tokens=prompt_tokens,
            priority=submission.priority,
            deadline_ms=None if submission.deadline_s is None else math.ceil(submission.deadline_s * 1000),
            webhook_url=submission.webhook,
            metadata=submission.metadata,
            idempotency_key=idempotency_key,
            body_hash=_body_hash(submission) if idempotency_key is not None else "",
        )
        return await self.accept(job)

    async def _outcome(self, job: NewJob, answer: Submission) -> Accepted:
        match answer.outcome:
            case Outcome.MISMATCH:
                raise IdempotencyMismatchError(
                    "This Idempotency-Key started another job with a different body. Use a new key for a new request.",
                    "Idempotency-Key",
                )
            case Outcome.FULL:
                raise await self._admission.queue_full(job, answer)
            case Outcome.TOO_MANY:
                raise await self._admission.too_many_jobs(job)
            case Outcome.REPEATED:
                return Accepted(await self.get(job.caller, answer.job_id or ""), replayed=True)
        self._permits.put(job.lane, job.id)
        # The line about the request carries these; a line of its own would cost as much as the whole look-up.
        bind_contextvars(job_id=job.id, lane=job.lane, caller=job.caller, prompt_tokens=job.prompt_tokens)
        return Accepted(await self._described(job, answer), replayed=False)

    async def _described(self, job: NewJob, answer: Submission) -> DescribedJob:
        if answer.created_at_ms is None or answer.rank is None:
            # The reply to a first try was lost and the client library tried again; a worker may have begun already.
            return await self.get(job.caller, job.id)
        rate = await self._admission.tokens_per_second()
        backlog, in_lane = answer.backlog_tokens or 0, answer.jobs_in_lane or 1
        place = operations.queue_place(answer.rank, in_lane, backlog, job.cost_tokens, rate)
        return DescribedJob(_queued(job, answer.created_at_ms), place)

    async def _until_ended(self, job_id: str, listener: Listener, until_s: float, gone: ClientGone) -> None:
        while (left_s := until_s - time.monotonic()) > 0 and not self._notifications.stopping:
            await listener.wait(min(left_s, self._settings.notice_poll_s))
            if await gone() or await self._has_ended(job_id):
                return

    async def _has_ended(self, job_id: str) -> bool:
        try:
            with translated_errors():
                status = await self._read_status(job_id)
        except UnavailableError:
            return False
        return status is None or JobStatus(status).is_terminal

    async def _read_status(self, job_id: str) -> str | None:
        # The client's stubs cannot tell its blocking replies from awaitable ones.
        reply = cast("Awaitable[str | None]", self._store.client.hget(self._store.keys.job(job_id), "status"))
        return await reply


def _queued(job: NewJob, created_at_ms: int) -> Job:
    return Job(
        id=job.id,
        status=JobStatus.QUEUED,
        lane=job.lane,
        caller=job.caller,
        request=job.request,
        prompt_tokens=job.prompt_tokens,
        cost_tokens=job.cost_tokens,
        priority=job.priority,
        created_at_ms=created_at_ms,
        deadline_at_ms=None if job.deadline_ms is None else created_at_ms + job.deadline_ms,
        webhook=None if job.webhook_url is None else WebhookState(url=job.webhook_url, status="waiting"),
        metadata=job.metadata or {},
    )


def _body_hash(submission: JobSubmission) -> str:
    canonical = json.dumps(submission.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _unknown(job_id: str) -> NotFoundError:
    return NotFoundError(f"There is no job {job_id[:64]!r}; finished jobs are kept for a limited time.")
