"""The runs: the full one of `make chaos`, the short one of `make test`, and one with a real model."""

from pathlib import Path

from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS
from tests.chaos.run import Plan

BATCH_SHARE = 0.2
REAL_FAULTS = ("worker-kill", "api-kill", "redis-kill")
REAL_JOBS_A_SECOND = 4.0
SHORT_FAULTS = ("worker-kill", "api-kill", "redis-kill", "poison")


def full_plan(jobs: int, load_s: float, faults: list[Fault]) -> Plan:
    """Return a run with the product's own leases."""
    return Plan(jobs=jobs, batch_items=int(jobs * BATCH_SHARE) // 2 * 2, load_s=load_s, workers=3, faults=faults)


def short_plan() -> Plan:
    """Return a run of some faults with short leases; everything is checked at its end."""
    return Plan(
        jobs=500,
        batch_items=100,
        load_s=25.0,
        workers=2,
        faults=[FAULTS[name] for name in SHORT_FAULTS],
        # Short for a quick test, long enough for a machine on which much else runs.
        lease_ttl_s=4.0,
        heartbeat_s=0.5,
        result_ttl_s=3600,
        settle_s=10.0,
        most_rounds=1,
    )


def real_plan(jobs: int, model: Path) -> Plan:
    """Return a run of the native engine: short answers, the product's own leases, two workers of one thread each."""
    return Plan(
        jobs=jobs,
        batch_items=int(jobs * BATCH_SHARE) // 2 * 2,
        load_s=max(10.0, jobs / REAL_JOBS_A_SECOND),
        workers=2,
        faults=[FAULTS[name] for name in REAL_FAULTS],
        stall_timeout_s=60.0,
        result_ttl_s=3600,
        settle_s=10.0,
        warm_up_jobs=4,
        answer_tokens=24,
        engine_env={
            "FINANCELLM_ENGINE": "native",
            "FINANCELLM_ENGINE_THREADS": "1",
            "FINANCELLM_MODEL_DIR": str(model),
        },
    )
