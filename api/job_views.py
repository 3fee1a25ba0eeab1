"""Jobs of the store as the wire shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import overload

from api.schemas import JobLinks, JobPage, JobView, QueueView, WebhookView
from common.jobs import Job, QueuePlace, WebhookState


def job_path(job_id: str) -> str:
    """Return the address of a job."""
    return f"/v1/jobs/{job_id}"


def job_view(job: Job, place: QueuePlace | None) -> JobView:
    """Return a job with its place in the queue."""
    path = job_path(job.id)
    return JobView.model_construct(
        id=job.id,
        object="job",
        status=job.status,
        lane=job.lane,
        priority=job.priority,
        created_at=timestamp(job.created_at_ms),
        started_at=timestamp(job.claimed_at_ms),
        finished_at=timestamp(job.finished_at_ms),
        deadline_at=timestamp(job.deadline_at_ms),
        attempt=job.attempt,
        worker=job.worker,
        prompt_tokens=job.prompt_tokens,
        max_tokens=job.request.max_tokens,
        cancel_requested=job.cancel_requested,
        queue=_queue_view(place),
        result=job.result,
        error=job.error,
        webhook=_webhook_view(job.webhook),
        metadata=job.metadata,
        links=JobLinks.model_construct(self=path, events=f"{path}/events", cancel=f"{path}/cancel"),
    )


def job_page(jobs: Sequence[Job], has_more: bool) -> JobPage:
    """Return a page of jobs; their places in the queue are not looked up."""
    return JobPage(
        data=[job_view(job, None) for job in jobs],
        first_id=jobs[0].id if jobs else None,
        last_id=jobs[-1].id if jobs else None,
        has_more=has_more,
    )


@overload
def timestamp(at_ms: int) -> str: ...


@overload
def timestamp(at_ms: None) -> None: ...


def timestamp(at_ms: int | None) -> str | None:
    """Return Unix milliseconds as RFC 3339 in UTC."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _queue_view(place: QueuePlace | None) -> QueueView | None:
    if place is None:
        return None
    eta_s = None if place.eta_s is None else round(place.eta_s, 1)
    return QueueView(position=place.position, jobs_in_lane=place.jobs_in_lane, eta_s=eta_s)


def _webhook_view(state: WebhookState | None) -> WebhookView | None:
    if state is None:
        return None
    return WebhookView.model_validate(state.model_dump())
