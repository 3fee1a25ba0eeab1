"""What a run says: a table by fault, a table of promises, and what goes into the JSON line."""

import statistics
from collections import Counter
from typing import Any

from tests.bench.report import print_table
from tests.chaos.invariants import Promise
from tests.chaos.run import Findings, Plan

REDELIVERY_BEYOND_LEASE_S = 5.0
MOST_SHOWN = 20


def problems(findings: Findings) -> list[str]:
    """Return everything that broke a promise other than those about time, in words; empty is what a run is for."""
    return [
        *(f"{broken.promise}: {broken.job_id}: {broken.detail}" for broken in findings.ledger.broken),
        *(f"batch: {fault}" for outcome in findings.batches for fault in outcome.faults),
        *(f"request: {reason}" for reason in findings.tally.failed),
        *findings.faults,
    ]


def figures(plan: Plan, findings: Findings) -> dict[str, Any]:
    """Return the run as the values of the JSON line."""
    waits = _waits(findings)
    return {
        "jobs": findings.ledger.accepted + sum(outcome.items for outcome in findings.batches),
        "seconds": round(findings.seconds, 1),
        "workers": plan.workers,
        "lease_ttl_s": plan.lease_ttl_s,
        "faults": dict(Counter(injected.name for injected in findings.injected)),
        "skipped": findings.skipped,
        "lost": len(findings.ledger.broke(Promise.LOST)),
        "doubles": len(findings.ledger.broke(Promise.DOUBLE)),
        "stale_writes": len(findings.ledger.broke(Promise.STALE_WRITE)),
        "replay_faults": len(findings.ledger.broke(Promise.REPLAY)),
        "problems": len(problems(findings)),
        "endings": dict(findings.ledger.endings),
        "batch_items": sum(outcome.completed for outcome in findings.batches),
        "redelivered": len(waits),
        "redelivered_late": late(plan, findings),
        "redelivery_p50_s": round(statistics.median(waits), 2) if waits else None,
        "redelivery_max_s": round(max(waits), 2) if waits else None,
        "leases_lost_by_living_workers": sum(wait.seconds is None for wait in findings.ledger.redelivered),
        "recovery_s": {name: round(max(seconds), 2) for name, seconds in _recoveries(findings).items()},
        "requests": findings.tally.requests,
        "requests_broken": findings.tally.broken,
        "requests_503": findings.tally.refused_503,
        "requests_failed": len(findings.tally.failed),
        "rss_mb": findings.rss_mb,
        "redis": findings.redis,
        **findings.notes,
    }


def print_findings(plan: Plan, findings: Findings) -> None:
    """Print the tables for people."""
    recoveries = _recoveries(findings)
    print_table(
        f"{findings.ledger.accepted} jobs and {sum(o.items for o in findings.batches)} batch items under faults",
        ("fault", "times", "lasted s, mean", "answers again after s, median", "max"),
        [
            (name, len(seconds), _mean_length(findings, name), statistics.median(seconds), max(seconds))
            for name, seconds in recoveries.items()
        ],
    )
    values = figures(plan, findings)
    shown = (
        "lost",
        "doubles",
        "stale_writes",
        "replay_faults",
        "redelivered",
        "redelivered_late",
        "redelivery_p50_s",
        "redelivery_max_s",
    )
    more = ("leases_lost_by_living_workers", "requests", "requests_broken", "requests_503", "requests_failed")
    print_table("Promises", ("figure", "value"), [(name, values[name]) for name in (*shown, *more)])
    moments = list(findings.rss_mb)
    rows = [
        (name, *(findings.rss_mb[moment].get(name, 0.0) for moment in moments)) for name in ("api", "worker", "redis")
    ]
    print_table("Resident memory of one process, MB", ("process", *moments), rows)
    for problem in problems(findings)[:MOST_SHOWN]:
        print(f"BROKEN {problem}")


def _waits(findings: Findings) -> list[float]:
    return [wait.seconds for wait in findings.ledger.redelivered if wait.seconds is not None]


def late(plan: Plan, findings: Findings) -> int:
    """Return how many jobs of lost workers were claimed again later than promised."""
    return sum(wait > plan.lease_ttl_s + REDELIVERY_BEYOND_LEASE_S for wait in _waits(findings))


def _recoveries(findings: Findings) -> dict[str, list[float]]:
    by_name: dict[str, list[float]] = {}
    for injected in findings.injected:
        by_name.setdefault(injected.name, []).append(injected.recovery_s)
    return by_name


def _mean_length(findings: Findings, name: str) -> float:
    return statistics.mean(injected.lasted_s for injected in findings.injected if injected.name == name)
