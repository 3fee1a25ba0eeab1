"""Which source goes with a kind of run."""

from contextlib import suppress

from common import operations
from common.bulk import BulkRun, RunKind
from common.errors import ConfigurationError, ModelFilesError
from common.files import FileStore
from common.model_files import ModelManifest
from common.store import JobStore
from worker.bulk.batches import BatchSource
from worker.bulk.extractions import ExtractionSource
from worker.bulk.source import BulkSource
from worker.retrieval.library import Library
from worker.settings import WorkerSettings
from worker.store import connect_store


def open_source(run: BulkRun, files: FileStore, settings: WorkerSettings) -> BulkSource:
    """Return the source of a run; raises UnavailableError, and ConfigurationError for a kind this worker knows not."""
    store = connect_store(settings)
    if run.kind is RunKind.BATCH:
        return BatchSource(run, files, _served_models(store, settings))
    if run.kind is RunKind.EXTRACTION:
        # A library of its own: it keeps what it read, and runs are fed in threads of their own.
        return ExtractionSource(run, store, files, Library(files), settings)
    raise ConfigurationError(f"This worker knows no runs of kind {run.kind}; update it.")


def _served_models(store: JobStore, settings: WorkerSettings) -> frozenset[str]:
    """Return the names that chats may ask for as well: the prepared model's, and those of live workers."""
    names = {worker.model for worker in store.run(operations.overview()).workers}
    with suppress(ModelFilesError):
        names.add(ModelManifest.read(settings.model_path).name)
    return frozenset(names)
