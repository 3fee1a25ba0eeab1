"""A Redis at its memory limit."""

from collections.abc import Iterator
from typing import Any

import pytest

from common import operations
from common.errors import UnavailableError
from common.jobs import Lane
from common.operations import Operation
from common.store import JobStore
from common.submissions import Outcome
from tests.support.values import WORKER, new_job, result


@pytest.fixture
def full_store(job_store: JobStore) -> Iterator[JobStore]:
    """A store whose limit is lifted after the test, because other tests share the server."""
    yield job_store
    job_store.client.config_set("maxmemory", 0)


def test_a_full_redis_is_an_outage_that_passes(full_store: JobStore) -> None:
    # Given a job that a worker holds
    held = new_job()
    full_store.run(operations.submit(held, 1_000_000, 60))
    claimed = full_store.run(operations.claim("w1", Lane.INTERACTIVE, 60_000))
    assert claimed is not None
    token = claimed.job.fencing_token
    # When Redis reaches its memory limit
    full_store.client.config_set("maxmemory", 1)
    # Then submissions, heartbeats and results are refused as while it is away
    writes: list[Operation[Any]] = [
        operations.submit(new_job(), 1_000_000, 60),
        operations.heartbeat(WORKER, 60_000, [(held.id, token)]),
        operations.succeed(held.id, token, result()),
    ]
    for refused in writes:
        with pytest.raises(UnavailableError, match="refuses writes"):
            full_store.run(refused)
    # And when there is room again, all of them go through
    full_store.client.config_set("maxmemory", 0)
    assert full_store.run(operations.submit(new_job(), 1_000_000, 60)).outcome is Outcome.ACCEPTED
    assert full_store.run(operations.succeed(held.id, token, result()))
