"""The state of the whole service: lanes, live workers and counters."""

from collections.abc import Sequence

from common.jobs import Lane, Value


class WorkerInfo(Value):
    """What a worker says of itself with each heartbeat; `tokens_per_second` counts prompt and completion tokens."""

    name: str
    engine: str
    model: str
    model_revision: str
    lanes: tuple[str, ...]
    max_rows: int
    running: int
    max_row_tokens: int
    tokens_per_second: float | None = None
    draining: bool = False


class LaneState(Value):
    """A lane's queue: the age of the job that is next, and of the one that waits longest."""

    waiting: int
    backlog_tokens: int
    head_age_ms: float
    oldest_age_ms: float = 0.0


class Overview(Value):
    """Queues, live workers and counters since the store was created."""

    lanes: dict[Lane, LaneState]
    workers: tuple[WorkerInfo, ...]
    counts: dict[str, int]
    webhooks: int

    @property
    def tokens_per_second(self) -> float | None:
        """Measured rate of all live workers, None until one has measured."""
        return total_rate(self.workers)


def total_rate(workers: Sequence[WorkerInfo]) -> float | None:
    """Sum the measured tokens per second of workers that take jobs, None if none has measured."""
    rates = [worker.tokens_per_second for worker in workers if worker.tokens_per_second and not worker.draining]
    return sum(rates) if rates else None
