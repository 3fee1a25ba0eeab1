"""Celery as the wake-up line between gateway and workers.

A message is a permit to claim one job of its lane; the record in Redis is the truth. So a lost message costs time, not
work, and one too many finds nothing to do. The job id travels with it for people who read logs.
"""

from enum import StrEnum

from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.transport import redis as redis_transport

from common.broker_channel import PermitChannel
from common.errors import UnavailableError
from common.jobs import Lane
from common.settings import Settings

# Never redeliver while a worker may still be running the job: leases give the quick recovery.
VISIBILITY_TIMEOUT_S = 6 * 3600


class TaskName(StrEnum):
    """Names under which work is sent."""

    RUN_JOB = "financellm.run_job"


def queue_name(lane: Lane) -> str:
    """Return the name of a lane's Celery queue."""
    return f"jobs.{lane}"


def make_celery(settings: Settings) -> Celery:
    """Build the Celery app that gateway and workers share; no result backend, JSON only."""
    redis_transport.Transport.Channel = PermitChannel
    app = Celery("financellm", broker=settings.redis_url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(queue_name(lane)) for lane in Lane],
        task_default_queue=queue_name(Lane.INTERACTIVE),
        task_create_missing_queues=False,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_track_started=False,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Redis at its memory limit refuses to note a delivery; that must not end the worker.
        broker_channel_error_retry=True,
        broker_transport_options={
            "global_keyprefix": settings.queue_prefix,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            # Queues are read in the order listed: interactive first.
            "queue_order_strategy": "priority",
            "socket_timeout": settings.redis_timeout_s,
            "socket_connect_timeout": settings.redis_timeout_s,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "max_retries": 2,
            "interval_start": 0.1,
            "interval_max": 0.5,
        },
    )
    return app


def send_permit(app: Celery, lane: Lane, job_id: str) -> None:
    """Wake a worker for one job of the lane; blocks, raises UnavailableError if the broker is away."""
    try:
        app.send_task(TaskName.RUN_JOB, args=(job_id, lane.value), queue=queue_name(lane), ignore_result=True)
    except (OperationalError, OSError) as error:
        raise UnavailableError(f"The message broker does not answer: {error}.") from error


def permits_key(settings: Settings, lane: Lane) -> str:
    """Return the Redis list in which kombu keeps a lane's messages."""
    return f"{settings.queue_prefix}{queue_name(lane)}"
