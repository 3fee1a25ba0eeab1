"""The queue model against what queueing theory and arithmetic say."""

import math

import pytest

from tests.bench.queue_model import Fleet, Load, simulate, step_time, workers_needed


def erlang_c_mean_wait_s(servers: int, per_second: float, service_s: float) -> float:
    """Return the mean wait of an M/M/c queue (Erlang 1917)."""
    offered = per_second * service_s
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    waits = last / (sum(terms) + last)
    return waits * service_s / (servers - offered)


@pytest.mark.parametrize("servers", [1, 4])
def test_waits_follow_erlang_where_rows_do_not_slow_each_other(servers: int) -> None:
    """Given exponential lengths and one row a worker at 70% load, when simulated, then the mean wait is Erlang C's."""
    # Quantiles of the exponential distribution with mean 1,000 tokens of 1 ms
    lengths = [round(-1000 * math.log(1 - (n + 0.5) / 4000)) for n in range(4000)]
    load = Load(60_000, 0.7 * servers, lengths, seed=1)
    found = simulate(Fleet(servers, 1, lambda rows: 0.001), load)
    mean_s = sum(found.waits_s) / len(found.waits_s)
    assert mean_s == pytest.approx(erlang_c_mean_wait_s(servers, 0.7 * servers, 1.0), rel=0.1)
    assert found.busy_share == pytest.approx(0.7, abs=0.03)


def test_a_lone_job_takes_its_steps() -> None:
    """Given jobs far apart, when simulated, then nobody waits and each takes its tokens times the step."""
    found = simulate(Fleet(1, 4, lambda rows: 0.01 * rows), Load(50, 0.001, [100]))
    assert max(found.waits_s) == 0
    assert found.totals_s == pytest.approx([1.0] * 50)


def test_rows_slow_each_other_as_the_step_says() -> None:
    """Given two jobs at once and steps as long as their rows, when simulated, then both take twice the time."""
    found = simulate(Fleet(1, 2, lambda rows: 0.01 * rows), Load(2, 1e9, [100]))
    assert found.totals_s == pytest.approx([2.0, 2.0], rel=1e-3)


def test_every_job_ends_once_and_more_workers_never_wait_longer() -> None:
    """Given one load, when workers are added, then all jobs end and the mean wait falls."""
    means = []
    for workers in (1, 2, 4, 8):
        found = simulate(Fleet(workers, 2, lambda rows: 0.01), Load(2_000, 8, [30, 60, 90], seed=3))
        assert len(found.waits_s) == len(found.totals_s) == 2_000
        assert all(total >= 0 for total in found.totals_s)
        means.append(sum(found.waits_s) / 2_000)
    assert means == sorted(means, reverse=True)
    assert means[0] > 1 > means[-1]


def test_step_times_are_read_between_measured_batches() -> None:
    """Given tokens per second of batches 1 and 9, when asked between and beyond, then lines and the ends answer."""
    step_s = step_time({1: 50.0, 9: 90.0})
    assert [step_s(rows) for rows in (1, 5, 9, 20)] == pytest.approx([0.02, 0.06, 0.1, 0.1])


def test_the_fewest_workers_are_found() -> None:
    """Given a limit on the 95th percentile, when asked, then one worker less breaks it, and the impossible is None."""
    load = Load(3_000, 10, [100], seed=2)
    needed = workers_needed(2, lambda rows: 0.01, load, p95_wait_s=0.5)
    assert needed is not None
    assert needed > 5  # ten jobs of a second each on two rows a worker

    def p95_s(workers: int) -> float:
        return sorted(simulate(Fleet(workers, 2, lambda rows: 0.01), load).waits_s)[int(0.95 * 2_999)]

    assert p95_s(needed) <= 0.5 < p95_s(needed - 1)
    assert workers_needed(1, lambda rows: 1.0, load, p95_wait_s=0.5, most=4) is None


def test_workers_that_fall_behind_are_never_advised() -> None:
    """Given few jobs in a rush that one worker could sit out, when asked, then the lasting rate decides."""
    rush = Load(50, 100, [100], seed=1)  # half a second of arrivals; one worker makes two jobs a second
    assert workers_needed(2, lambda rows: 0.01, rush, p95_wait_s=1_000) == 51
