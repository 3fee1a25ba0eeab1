"""Bulk runs on the in-memory twin of Redis and a temporary folder."""

from pathlib import Path

import pytest

from common.store import JobStore
from tests.support.bulk_runs import BulkBench


@pytest.fixture
def bench(memory_store: JobStore, tmp_path: Path) -> BulkBench:
    """A store and a folder of its own."""
    return BulkBench(memory_store, tmp_path)
