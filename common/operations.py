"""Every transition and query of the job store as a value: a named Lua script, its arguments, how to read its answer.

Nothing here talks to Redis, so the gateway (async) and the worker (sync) share every word of it.
"""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from common.jobs import GenerateResult, Job, JobError, JobStatus, Lane, QueuePlace
from common.leases import ClaimedJob, LeaseState
from common.overviews import Overview, WorkerInfo, total_rate
from common.records import job_from_fields
from common.submissions import NewJob, Submission

T = TypeVar("T")

WORKER_ALIVE_MS = 15_000
PRIORITY_WEIGHT_TOKENS = 20_000
IDEMPOTENCY_TTL_MS = 86_400_000
# A turn holds at least this part of a lane, which bounds how many turns there are.
SMALLEST_TURN = 1 / 20_000


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A script of common/scripts by name, its arguments, and the function that turns its reply into a value."""

    script: str
    args: tuple[str | int | float, ...]
    read: Callable[[Any], T]


@dataclass(frozen=True, slots=True)
class DescribedJob:
    """A job and its place in the queue while it waits."""

    job: Job
    place: QueuePlace | None


def submit(
    job: NewJob, max_backlog_tokens: int, result_ttl_s: int, max_open_jobs: int | None = None
) -> Operation[Submission]:
    """Accept a job atomically with its event, index entries and idempotency record.

    `max_open_jobs` bounds its caller's submitted jobs that have not ended; items of bulk runs are none of them.
    """
    parameters = job_parameters(job, result_ttl_s) | {"max_backlog_tokens": max_backlog_tokens}
    parameters["turn"] = _turn(job, parameters["request"], max_backlog_tokens)
    if max_open_jobs is not None:
        parameters["max_open_jobs"] = max_open_jobs
    if job.traceparent is not None:
        parameters["traceparent"] = job.traceparent
    if job.idempotency_key is not None:
        parameters["idempotency_hash"] = hashlib.sha256(job.idempotency_key.encode()).hexdigest()
        parameters["idempotency_ttl_ms"] = IDEMPOTENCY_TTL_MS
        parameters["body_hash"] = job.body_hash
    return Operation("submit", (json.dumps(parameters),), Submission.model_validate_json)


def job_parameters(job: NewJob, result_ttl_s: int) -> dict[str, Any]:
    """Return what the scripts need to queue a job."""
    parameters = {
        "id": job.id,
        "lane": job.lane,
        "caller": job.caller,
        "flow": job.flow,
        "request": job.request.model_dump_json(exclude_defaults=True),
        "prompt_tokens": job.prompt_tokens,
        "cost_tokens": job.cost_tokens,
        "priority": job.priority,
        "priority_weight_tokens": PRIORITY_WEIGHT_TOKENS,
        "metadata": json.dumps(job.metadata or {}),
        "result_ttl_ms": result_ttl_s * 1000,
    }
    if job.deadline_ms is not None:
        parameters["deadline_ms"] = job.deadline_ms
    if job.webhook_url is not None:
        parameters["webhook_url"] = job.webhook_url
    return parameters


def _turn(job: NewJob, request: str, max_backlog_tokens: int) -> str:
    """Name the turn of a job: a client that comes back is known by its Idempotency-Key, else by what it asks."""
    digest = hashlib.sha256((job.idempotency_key or request).encode()).hexdigest()[:32]
    return f"{job.caller} {max(job.cost_tokens, math.ceil(max_backlog_tokens * SMALLEST_TURN))} {digest}"


def claim(owner: str, lane: Lane, lease_ttl_ms: int) -> Operation[ClaimedJob | None]:
    """Take the lane's next job under a lease, or learn that none waits."""
    return Operation("claim", (owner, lease_ttl_ms, lane), _read_claim)


def heartbeat(
    worker: WorkerInfo, lease_ttl_ms: int, leases: Sequence[tuple[str, int]]
) -> Operation[tuple[LeaseState, ...]]:
    """Renew the leases given as (job id, fencing token); answers one state each, in order."""
    return Operation(
        "heartbeat", (worker.name, lease_ttl_ms, worker.model_dump_json(), *_flat(leases)), _read_lease_states
    )


def retire_worker(name: str) -> Operation[None]:
    """Take a worker off the list of live ones."""
    return Operation("retire_worker", (name,), _read_nothing)


def progress(deltas: Sequence[tuple[str, int, dict[str, Any]]]) -> Operation[tuple[LeaseState, ...]]:
    """Append (job id, fencing token, token event data) to event logs; answers one state each, in order."""
    args = [part for job_id, token, data in deltas for part in (job_id, token, json.dumps(data))]
    return Operation("progress", tuple(args), _read_lease_states)


def succeed(
    job_id: str, fencing_token: int, result: GenerateResult, last_text: dict[str, Any] | None = None
) -> Operation[bool]:
    """Write a job's result, after the token event of text not yet in its log; False if the lease passed on."""
    tail = json.dumps(last_text) if last_text else ""
    args = (job_id, fencing_token, JobStatus.SUCCEEDED, result.model_dump_json(), "", tail)
    return Operation("finish", args, bool)


def end(job_id: str, fencing_token: int, status: JobStatus, error: JobError | None = None) -> Operation[bool]:
    """End a running job as failed, cancelled or expired; False if the lease passed on."""
    args = (job_id, fencing_token, status, "", error.model_dump_json() if error else "", "")
    return Operation("finish", args, bool)


def release(job_id: str, fencing_token: int, reason: str) -> Operation[Lane | None]:
    """Hand a claimed job back without counting the attempt; answers the lane that needs a new message."""
    return Operation("release", (job_id, fencing_token, reason), lambda reply: Lane(reply) if reply else None)


def cancel(job_id: str, caller: str) -> Operation[JobStatus | None]:
    """Cancel a queued job at once and ask a running one's worker; None if the caller has no such job."""
    return Operation("cancel", (job_id, caller), lambda reply: JobStatus(reply) if reply else None)


def reap(most_jobs: int, max_attempts: int) -> Operation[tuple[tuple[str, Lane], ...]]:
    """Requeue jobs of lost workers and end late ones; answers (job id, lane) of those that need a new message."""
    return Operation("reap", (most_jobs, max_attempts), _read_requeued)


def describe(job_id: str, caller: str) -> Operation[DescribedJob | None]:
    """Read a caller's job and its place in the queue; None if there is no such job."""
    return Operation("describe", (job_id, caller, WORKER_ALIVE_MS), _read_description)


def list_jobs(caller: str, below: str | None, most_jobs: int) -> Operation[tuple[Job, ...]]:
    """Read a page of a caller's jobs, newest first, below the job id of the cursor."""
    return Operation(
        "list_jobs", (caller, below or "", most_jobs), lambda reply: tuple(job_from_fields(fields) for fields in reply)
    )


def overview() -> Operation[Overview]:
    """Read queue lengths, live workers and counters."""
    return Operation("overview", (WORKER_ALIVE_MS,), _read_overview)


def webhooks_due(most_jobs: int, hide_ms: int) -> Operation[tuple[Job, ...]]:
    """Take ended jobs whose notification is due; nobody else sees them for `hide_ms`."""
    return Operation(
        "webhooks_due", (most_jobs, hide_ms), lambda reply: tuple(job_from_fields(fields) for fields in reply)
    )


def webhook_delivered(job_id: str) -> Operation[None]:
    """Record that the receiver answered 2xx."""
    return Operation("webhook_done", (job_id, "delivered", "", 0), _read_nothing)


def webhook_failed(job_id: str, error: str) -> Operation[None]:
    """Record that no further delivery is tried."""
    return Operation("webhook_done", (job_id, "failed", error, 0), _read_nothing)


def webhook_later(job_id: str, error: str, delay_ms: int) -> Operation[None]:
    """Record a failed delivery that is tried again after `delay_ms`."""
    return Operation("webhook_done", (job_id, "pending", error, delay_ms), _read_nothing)


def queue_place(
    rank: int, jobs_in_lane: int, backlog_tokens: int, cost_tokens: int, tokens_per_second: float | None
) -> QueuePlace:
    """Return the place of a job of `cost_tokens` with `rank` jobs before it; the backlog includes the job."""
    # Jobs of one lane are alike in size, so the share of jobs ahead stands for the share of tokens ahead.
    tokens_ahead = int(backlog_tokens * rank / max(1, jobs_in_lane))
    eta_s = (tokens_ahead + cost_tokens) / tokens_per_second if tokens_per_second else None
    return QueuePlace(position=rank + 1, jobs_in_lane=jobs_in_lane, tokens_ahead=tokens_ahead, eta_s=eta_s)


def _flat(leases: Sequence[tuple[str, int]]) -> list[str | int]:
    return [part for lease in leases for part in lease]


def _read_nothing(_reply: Any) -> None:
    return None


def _read_lease_states(reply: Sequence[int]) -> tuple[LeaseState, ...]:
    states = (LeaseState.LOST, LeaseState.HELD, LeaseState.CANCEL)
    return tuple(states[flag] for flag in reply)


def _read_claim(reply: Any) -> ClaimedJob | None:
    if not reply:
        return None
    now_ms, fields = reply
    losses = int(dict(zip(fields[::2], fields[1::2], strict=True))["losses"])
    return ClaimedJob(job_from_fields(fields), int(now_ms), losses)


def _read_requeued(reply: Sequence[str]) -> tuple[tuple[str, Lane], ...]:
    return tuple((job_id, Lane(lane)) for job_id, lane in zip(reply[::2], reply[1::2], strict=True))


def _read_description(reply: Any) -> DescribedJob | None:
    if not reply:
        return None
    job = job_from_fields(reply[0])
    if len(reply) == 1:
        return DescribedJob(job, None)
    _, rank, jobs_in_lane, backlog_tokens, workers = reply
    rate = total_rate([WorkerInfo.model_validate_json(info) for info in workers])
    return DescribedJob(job, queue_place(rank, jobs_in_lane, backlog_tokens, job.cost_tokens, rate))


def _read_overview(reply: str) -> Overview:
    data = json.loads(reply)
    # Lua has one kind of table, so an empty list arrives as an empty object.
    data["workers"] = list(data["workers"]) if data["workers"] else []
    for worker in data["workers"]:
        worker["lanes"] = list(worker["lanes"]) if worker["lanes"] else []
    return Overview.model_validate(data)
