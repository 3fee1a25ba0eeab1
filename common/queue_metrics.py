"""What Prometheus is told of queues and workers, read from the job store at each scrape.

Every gateway shows the same store, so queries over several gateways take the maximum, not the sum.
"""

import math
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.jobs import Lane
from common.overviews import LaneState, Overview

_NOT_JOBS = frozenset({"running", "leases_lost"})
_UNKNOWN_LANE = LaneState(waiting=0, backlog_tokens=0, head_age_ms=math.nan, oldest_age_ms=math.nan)


class QueueMetrics(Collector):
    """The latest overview as metrics; gauges are NaN and counters missing while the store is away."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._overview: Overview | None = None
        self._worker_tokens_per_second: float | None = None
        registry.register(self)

    def show(self, overview: Overview | None) -> None:
        """Take what the next scrape shows; None if the store does not answer."""
        self._overview = overview
        rates = (
            [worker.tokens_per_second for worker in overview.workers if worker.tokens_per_second] if overview else []
        )
        if rates:
            # Kept when the last worker leaves: what waits is still so much work for the next one.
            self._worker_tokens_per_second = sum(rates) / len(rates)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric once."""
        yield _gauge(
            "financellm_store_up", "1 if Redis answered this scrape, else 0.", float(self._overview is not None)
        )
        yield from self._lanes()
        yield from self._workers()
        if self._overview is not None:
            yield from _counters(self._overview)

    def _lanes(self) -> Iterator[Metric]:
        waiting = _by_lane("vllm:num_requests_waiting", "Jobs queued.")
        backlog = _by_lane("financellm_backlog_tokens", "Prompt and most completion tokens of queued jobs.")
        head = _by_lane("financellm_queue_head_age_seconds", "Age of the job that is next; 0 if none waits.")
        oldest = _by_lane("financellm_queue_oldest_age_seconds", "Age of the job that waits longest; 0 if none waits.")
        for lane in Lane:
            state = self._overview.lanes[lane] if self._overview else _UNKNOWN_LANE
            waiting.add_metric([lane], self._known(state.waiting))
            backlog.add_metric([lane], self._known(state.backlog_tokens))
            head.add_metric([lane], state.head_age_ms / 1000)
            oldest.add_metric([lane], state.oldest_age_ms / 1000)
        return iter((waiting, backlog, head, oldest))

    def _workers(self) -> Iterator[Metric]:
        overview = self._overview
        live = [worker for worker in overview.workers if not worker.draining] if overview else []
        running = overview.counts.get("running", 0) if overview else 0
        rate = (overview.tokens_per_second or 0) if overview else 0
        work_s = self._queued_work_s()
        yield _gauge("vllm:num_requests_running", "Jobs under a worker's lease.", self._known(running))
        yield _gauge(
            "financellm_workers", "Workers seen in the last 15 seconds that take jobs.", self._known(len(live))
        )
        yield _gauge("financellm_tokens_per_second", "Measured rate of all live workers.", self._known(rate))
        yield _gauge(
            "financellm_queued_work_seconds",
            "Time in which one worker would do all that is queued; divide by the time allowed to get workers.",
            work_s,
        )
        yield _gauge(
            "financellm_queued_work_seconds_per_worker",
            "Time in which the live workers will do all that is queued; infinite if work waits for nobody.",
            work_s / len(live) if live else (math.inf if work_s > 0 else work_s),
        )

    def _queued_work_s(self) -> float:
        if self._overview is None:
            return math.nan
        backlog_tokens = sum(lane.backlog_tokens for lane in self._overview.lanes.values())
        if not backlog_tokens:
            return 0.0
        return backlog_tokens / self._worker_tokens_per_second if self._worker_tokens_per_second else math.nan

    def _known(self, value: float) -> float:
        return math.nan if self._overview is None else value


def _counters(overview: Overview) -> Iterator[Metric]:
    jobs = CounterMetricFamily("financellm_jobs", "Jobs accepted, and ended by status.", labels=["state"])
    for state, count in overview.counts.items():
        if state not in _NOT_JOBS:
            jobs.add_metric([state], count)
    yield jobs
    reclaims = CounterMetricFamily("financellm_lease_reclaims", "Jobs taken back from workers that fell silent.")
    reclaims.add_metric([], overview.counts.get("leases_lost", 0))
    yield reclaims
    yield _gauge("financellm_webhooks_pending", "Notifications that wait to be delivered.", overview.webhooks)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _by_lane(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["lane"])
