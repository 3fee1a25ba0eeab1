"""Which source goes with a kind of run."""

from common.bulk import BulkRun, RunKind
from common.errors import ConfigurationError
from common.files import FileStore
from worker.bulk.batches import BatchSource
from worker.bulk.source import BulkSource
from worker.settings import WorkerSettings


def open_source(run: BulkRun, files: FileStore, _settings: WorkerSettings) -> BulkSource:
    """Return the source of a run; raises ConfigurationError for a kind that this worker does not know."""
    if run.kind is RunKind.BATCH:
        return BatchSource(run, files)
    raise ConfigurationError(f"This worker knows no runs of kind {run.kind}; update it.")
