"""Bulk runs on the in-memory twin of Redis and a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from common.run_operations import MOST_FAULTS, FaultKind
from common.store import JobStore
from tests.support.bulk_runs import BulkBench
from tests.unit.bulk.faulty_bench import MOST, FaultyBench
from worker.bulk.batches import BatchSource


@pytest.fixture
def bench(memory_store: JobStore, tmp_path: Path) -> BulkBench:
    """A store and a folder of its own."""
    return BulkBench(memory_store, tmp_path)


@pytest.fixture
def faulty(memory_store: JobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyBench]:
    """A store and a folder of its own, where few faults end a run; what workers would log is not laid out."""
    monkeypatch.setattr("worker.bulk.feeder.open_source", lambda run, files, _settings: BatchSource(run, files))
    monkeypatch.setattr("worker.bulk.feeder.CLOSED_WAIT_S", 0.0)
    for kind in (FaultKind.UNEXPECTED, FaultKind.CLOSED):
        monkeypatch.setitem(MOST_FAULTS, kind, MOST)
    with capture_logs():
        yield FaultyBench(memory_store, tmp_path)
