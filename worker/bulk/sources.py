"""Which source goes with a kind of run."""

from common.bulk import BulkRun, RunKind
from common.errors import ConfigurationError
from common.files import FileStore
from worker.bulk.batches import BatchSource
from worker.bulk.extractions import ExtractionSource
from worker.bulk.source import BulkSource
from worker.retrieval.library import Library
from worker.settings import WorkerSettings
from worker.store import connect_store


def open_source(run: BulkRun, files: FileStore, settings: WorkerSettings) -> BulkSource:
    """Return the source of a run; raises ConfigurationError for a kind that this worker does not know."""
    if run.kind is RunKind.BATCH:
        return BatchSource(run, files)
    if run.kind is RunKind.EXTRACTION:
        # A library of its own: it keeps what it read, and runs are fed in threads of their own.
        return ExtractionSource(run, connect_store(settings), files, Library(files), settings)
    raise ConfigurationError(f"This worker knows no runs of kind {run.kind}; update it.")
