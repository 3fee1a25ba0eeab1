"""The two runs: the full one of `make chaos`, and the short one of `make test`."""

from tests.chaos.fault import Fault
from tests.chaos.faults import FAULTS
from tests.chaos.run import Plan

# What a full run needs after its load: the last recoveries, the scenarios, and the time that results are kept.
AFTER_LOAD_S = 330.0
BATCH_SHARE = 0.2
SHORT_FAULTS = ("worker-kill", "api-kill", "redis-kill", "poison")


def full_plan(jobs: int, minutes: float, faults: list[Fault]) -> Plan:
    """Return a run with the product's own leases that ends after about `minutes`."""
    load_s = max(60.0, 60 * minutes - AFTER_LOAD_S)
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
