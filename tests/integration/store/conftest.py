"""Every store test runs on a real Redis and on its in-memory twin: the same scripts must behave the same."""

import pytest

from common.store import JobStore


@pytest.fixture(params=["redis", "memory"])
def store(request: pytest.FixtureRequest) -> JobStore:
    """A job store of each kind."""
    found: JobStore = request.getfixturevalue("job_store" if request.param == "redis" else "memory_store")
    return found
