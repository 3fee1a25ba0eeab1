"""The Celery side of a worker: one task, and a consumer that starts after the service and stops before it."""

from typing import Any

from celery import Celery, signals
from celery.exceptions import Reject
from celery.worker import state

from common.errors import UnavailableError
from common.jobs import Lane
from common.queue import TaskName, make_celery, queue_name
from common.store import JobStore
from common.telemetry import get_logger
from worker.service import WorkerService
from worker.settings import WorkerSettings
from worker.stop_signals import StopSignals
from worker.store import connect_store

logger = get_logger("worker")


def run_worker(settings: WorkerSettings, stop_signals: StopSignals) -> int:
    """Serve until told to stop; return the exit code.

    The model is loaded before the first message is taken, and in this process: threads share it, nothing forks.
    """
    celery = make_celery(settings)
    store: JobStore = connect_store(settings)
    service = WorkerService(settings, celery, store)
    _register_task(celery, service)
    signals.setup_logging.connect(_keep_own_logging, weak=False)
    consumer = celery.Worker(
        pool="threads",
        concurrency=settings.max_claimed,
        queues=[queue_name(lane) for lane in settings.lanes],
        hostname=f"{settings.worker_name}@financellm",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel=settings.log_level,
        quiet=True,
    )
    service.start()
    stop_signals.action = lambda: _stop(service)
    try:
        consumer.start()
    finally:
        service.stop()
    return int(consumer.exitcode or 0)


def _stop(service: WorkerService) -> None:
    service.drain()
    # Celery's own handlers set the same flag; its consumer looks at it between any two messages.
    state.should_stop = 0


def _register_task(celery: Celery, service: WorkerService) -> None:
    @celery.task(name=TaskName.RUN_JOB.value, ignore_result=True)  # type: ignore[untyped-decorator]
    def run_job(job_id: str, lane: str) -> None:
        """Use a permit: run the lane's next job, which need not be the one that paid for it."""
        try:
            used = service.run_next(Lane(lane))
        except UnavailableError as error:
            # The permit is spent; the reaper sends another for the job that still waits.
            logger.warning("permit lost", job_id=job_id, reason=error.message)
            return
        if not used and service.draining:
            raise Reject("this worker is draining", requeue=True)


def _keep_own_logging(**_: Any) -> None:
    """Having a receiver keeps Celery from configuring the loggers."""
