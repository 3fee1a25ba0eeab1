"""A queue before workers that batch, event by event: what waits when, without a machine.

Jobs come at random (Poisson) and wait for a free place. A worker gives every row it runs one token a step, and a step
takes `step_s(rows)`: so rows slow each other down as they do in the engines bench. Prefill is
not modelled: where it matters, its time counts as more tokens of the job.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

StepTime = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Workers of one kind: how many, rows each runs at once, and the seconds of a step by its number of rows."""

    workers: int
    rows: int
    step_s: StepTime


@dataclass(frozen=True, slots=True)
class Load:
    """Jobs to come: how many, how many a second, and the tokens (steps) each takes, drawn from `lengths`."""

    jobs: int
    per_second: float
    lengths: Sequence[int]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What jobs met, in seconds: waits for a place, and times from arrival to end; `busy_share` is of all workers."""

    waits_s: list[float]
    totals_s: list[float]
    busy_share: float


class _Worker:
    """Rows in progress; all of them move at one token a step."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.ends: list[tuple[float, float]] = []  # (progress at which the row ends, its arrival)
        self._progress = 0.0
        self._at_s = 0.0
        self.busy_s = 0.0
        self.version = 0

    @property
    def rows(self) -> int:
        return len(self.ends)

    def advance(self, now_s: float) -> None:
        if self.ends:
            self._progress += (now_s - self._at_s) / self._fleet.step_s(self.rows)
            self.busy_s += now_s - self._at_s
        self._at_s = now_s

    def start(self, tokens: int, arrival_s: float) -> None:
        heapq.heappush(self.ends, (self._progress + tokens, arrival_s))
        self.version += 1

    def finish(self) -> float:
        """Take out the row that ends now; return its arrival."""
        end, arrival_s = heapq.heappop(self.ends)
        self._progress = max(self._progress, end)
        self.version += 1
        return arrival_s

    def next_end_s(self) -> float:
        left = max(0.0, self.ends[0][0] - self._progress)
        return self._at_s + left * self._fleet.step_s(self.rows)


def simulate(fleet: Fleet, load: Load) -> Outcome:
    """Run all jobs of the load through the fleet, first come, first served, the emptiest worker first."""
    chance = random.Random(load.seed)
    workers = [_Worker(fleet) for _ in range(fleet.workers)]
    # Workers by how many rows they run, so that the emptiest is found at once among a thousand.
    by_rows: list[dict[int, None]] = [dict.fromkeys(range(fleet.workers)), *({} for _ in range(fleet.rows))]
    waiting: deque[tuple[float, int]] = deque()
    waits_s: list[float] = []
    totals_s: list[float] = []
    # (time, kind 0 end of a row | 1 arrival, worker, version of the worker when this was foreseen)
    events: list[tuple[float, int, int, int]] = []
    now_s = 0.0
    for _ in range(load.jobs):
        now_s += chance.expovariate(load.per_second)
        events.append((now_s, 1, -1, 0))
    heapq.heapify(events)
    while events:
        now_s, kind, index, version = heapq.heappop(events)
        touched: set[int] = set()
        if kind == 1:
            waiting.append((now_s, chance.choice(load.lengths)))
        else:
            if workers[index].version != version:
                continue
            workers[index].advance(now_s)
            totals_s.append(now_s - workers[index].finish())
            _move(by_rows, index, workers[index].rows + 1, workers[index].rows)
            touched.add(index)
        while waiting:
            emptiest = next((next(iter(group)) for group in by_rows[: fleet.rows] if group), None)
            if emptiest is None:
                break
            arrival_s, tokens = waiting.popleft()
            workers[emptiest].advance(now_s)
            workers[emptiest].start(tokens, arrival_s)
            _move(by_rows, emptiest, workers[emptiest].rows - 1, workers[emptiest].rows)
            waits_s.append(now_s - arrival_s)
            touched.add(emptiest)
        for number in touched:
            worker = workers[number]
            if worker.ends:
                heapq.heappush(events, (worker.next_end_s(), 0, number, worker.version))
    busy_s = sum(worker.busy_s for worker in workers)
    return Outcome(waits_s, totals_s, busy_s / (fleet.workers * now_s) if now_s else 0.0)


def _move(by_rows: list[dict[int, None]], worker: int, before: int, after: int) -> None:
    del by_rows[before][worker]
    by_rows[after][worker] = None


def step_time(tokens_per_second: dict[int, float]) -> StepTime:
    """Return seconds of a step by rows from measured tokens per second by batch, straight lines between the points."""
    points = sorted((batch, batch / rate) for batch, rate in tokens_per_second.items())

    def step_s(rows: int) -> float:
        below = max((point for point in points if point[0] <= rows), default=points[0])
        above = min((point for point in points if point[0] >= rows), default=points[-1])
        if above[0] == below[0]:
            return below[1]
        share = (rows - below[0]) / (above[0] - below[0])
        return below[1] + share * (above[1] - below[1])

    return step_s


def workers_needed(rows: int, step_s: StepTime, load: Load, p95_wait_s: float, most: int = 2_000) -> int | None:
    """Return the fewest workers with which 95 of 100 jobs wait no longer; None where `most` do not do."""
    steps_per_job = sum(load.lengths) / len(load.lengths)
    jobs_per_second = rows / step_s(rows) / steps_per_job
    # Fewer would fall behind for ever, which a run of so many jobs need not show.
    low = high = int(load.per_second / jobs_per_second) + 1
    if low > most:
        return None
    while _p95_wait_s(Fleet(high, rows, step_s), load) > p95_wait_s:
        if high >= most:
            return None
        low, high = high + 1, min(2 * high, most)
    while low < high:
        middle = (low + high) // 2
        if _p95_wait_s(Fleet(middle, rows, step_s), load) <= p95_wait_s:
            high = middle
        else:
            low = middle + 1
    return high


def _p95_wait_s(fleet: Fleet, load: Load) -> float:
    ordered = sorted(simulate(fleet, load).waits_s)
    return ordered[int(0.95 * (len(ordered) - 1))]
