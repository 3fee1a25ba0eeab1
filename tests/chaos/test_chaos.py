"""The short form of `make chaos`: some faults, short leases, every promise checked."""

from pathlib import Path

import pytest

from tests.chaos.invariants import Promise
from tests.chaos.plans import SHORT_FAULTS, short_plan
from tests.chaos.report import problems
from tests.chaos.run import run_plan


@pytest.mark.timeout(400)
async def test_nothing_accepted_is_lost_or_done_twice_whatever_dies(tmp_path: Path) -> None:
    # Given two gateways, two workers and Redis under a load of every kind of job
    plan = short_plan()
    # When workers, gateways and Redis are killed and poison is sent
    findings = await run_plan(plan, tmp_path)
    # Then every job has ended once as it should, and no obedient client was let down
    assert problems(findings) == []
    assert findings.ledger.accepted >= plan.jobs - plan.batch_items
    assert sum(outcome.completed for outcome in findings.batches) == plan.batch_items
    assert len({injected.name for injected in findings.injected}) == len(SHORT_FAULTS)
    # And the faults did bite
    assert findings.ledger.redelivered
    assert findings.ledger.endings["poisoned"] >= 1
    assert findings.tally.broken > 0
    assert not findings.ledger.broke(Promise.LOST)
