"""Reads uploaded documents, one at a time so that generation keeps its cores; any worker goes on where one is lost."""

import threading
import time

from common import collection_operations as operations
from common.collections import DocumentFacts, DocumentRecord, ItemError, upload_key
from common.errors import UnavailableError
from common.files import FileStore
from common.pages import Document, made_from
from common.store import JobStore
from common.telemetry import get_logger
from worker.retrieval.library import Entry, Library
from worker.retrieval.metadata import Form, Metadata
from worker.retrieval.problems import DocumentError
from worker.settings import WorkerSettings

logger = get_logger("documents")

# One file that cannot be read for this long is itself at fault, and must not keep the others waiting.
OUTAGE_PATIENCE_S = 600.0


class DocumentReader:
    """Claims documents, reads and indexes them, and writes what became of each."""

    def __init__(self, store: JobStore, files: FileStore, library: Library, settings: WorkerSettings) -> None:
        self._store = store
        self._files = files
        self._library = library
        self._settings = settings
        self._lock = threading.Lock()
        self._held: DocumentRecord | None = None
        self._closed = False
        self._failing_id: str | None = None
        self._failing_since_s = 0.0

    def round(self) -> None:
        """Read documents until none waits; raises UnavailableError."""
        while (document := self._claim()) is not None:
            try:
                self._read(document)
            except UnavailableError:
                self._hand_back(document)
                raise
            except OSError as error:
                if not self._may_be_outage(document):
                    raise
                self._hand_back(document)
                raise UnavailableError(f"Document {document.id} cannot be read for now: {error}") from error
            finally:
                with self._lock:
                    self._held = None

    def renew(self) -> None:
        """Keep the lease of the document that is being read; raises UnavailableError."""
        with self._lock:
            held = self._held
        if held is not None:
            self._store.run(operations.renew_document(held, self._settings.lease_ttl_ms))

    def close(self) -> None:
        """Take no more documents and hand back the one that is being read; what is read of it then is dropped."""
        with self._lock:
            self._closed = True
            held, self._held = self._held, None
        if held is not None:
            self._hand_back(held)

    def _hand_back(self, document: DocumentRecord) -> None:
        try:
            self._store.run(operations.release_document(document))
        except UnavailableError as error:
            logger.warning("document not handed back; its lease will run out", reason=error.message)

    def _may_be_outage(self, document: DocumentRecord) -> bool:
        now_s = time.monotonic()
        if self._failing_id != document.id:
            self._failing_id, self._failing_since_s = document.id, now_s
        return now_s - self._failing_since_s < OUTAGE_PATIENCE_S

    def _claim(self) -> DocumentRecord | None:
        with self._lock:
            if self._closed:
                return None
            self._held = self._store.run(
                operations.claim_document(
                    self._settings.worker_name, self._settings.lease_ttl_ms, self._settings.max_attempts
                )
            )
            return self._held

    def _read(self, document: DocumentRecord) -> None:
        try:
            facts = self._facts(document)
        except DocumentError as error:
            self._fail(document, ItemError(code=error.problem, message=error.message))
            return
        except FileNotFoundError:
            text = f"{document.name}: its bytes are not kept any more. Upload it again."
            self._fail(document, ItemError(code="document_missing", message=text))
            return
        if self._store.run(operations.document_ready(document, facts)):
            logger.info("document read", document_id=document.id, pages=facts.pages)
        else:
            self._drop(document)

    def _drop(self, document: DocumentRecord) -> None:
        """Leave nothing of a document that was deleted meanwhile, unless others list the same file."""
        for sha256 in self._store.run(operations.unlisted_reports([document.sha256])):
            for prefix in made_from(sha256):
                self._files.delete_prefix(prefix)
        logger.info("document was deleted or passed on while it was read", document_id=document.id)

    def _facts(self, document: DocumentRecord) -> DocumentFacts:
        parsed = self._library.add(document.name, self._bytes(document))
        return document_facts(parsed, self._library.segment(Entry(parsed.address, document.name)).metadata)

    def _bytes(self, document: DocumentRecord) -> bytes:
        try:
            with self._files.open(upload_key(document.sha256)) as file:
                return file.read()
        except OSError:
            raise
        except Exception as error:
            # A bucket's library raises errors of its own where the bucket cannot be reached.
            raise OSError(f"{type(error).__name__}: {error}") from error

    def _fail(self, document: DocumentRecord, error: ItemError) -> None:
        self._store.run(operations.document_failed(document, error))
        logger.info("document cannot be read", document_id=document.id, code=error.code)


def document_facts(document: Document, metadata: Metadata) -> DocumentFacts:
    """Return what the service tells of a document that was read."""
    year = f"FY{max(metadata.fiscal_years)}" if metadata.fiscal_years else None
    quarter = f"Q{metadata.quarters[0]}" if metadata.quarters else None
    return DocumentFacts(
        pages=len(document.pages),
        company=metadata.companies[0] if metadata.companies else None,
        period=" ".join(part for part in (quarter, year) if part) or None,
        doc_type=None if metadata.form is Form.OTHER else metadata.form.value,
    )
