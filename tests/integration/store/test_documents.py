"""Documents in both kinds of store."""

import pytest

from common import collection_operations as operations
from common.collections import (
    DocumentFacts,
    DocumentRecord,
    DocumentStatus,
    ItemError,
    NewDocument,
    new_collection_id,
    new_document_id,
)
from common.store import JobStore
from common.stored_files import memory_age_ms
from tests.support.document_records import SHA256, collection_with, new_document

LEASE_MS = 60_000
DAMAGED = ItemError(code="document_damaged", message="a.pdf is cut off.")
READ = DocumentFacts(pages=7, company="ACME", period="FY2022", doc_type="10-K")


def claimed(store: JobStore) -> DocumentRecord:
    """The document that is read next."""
    document = store.run(operations.claim_document("w", LEASE_MS, 3))
    assert document is not None
    return document


def only_document(store: JobStore, collection_id: str) -> DocumentRecord:
    """The one document, counted where it stands."""
    listed = store.run(operations.list_documents(collection_id, "alice", None, 10))
    collection = store.run(operations.describe_collection(collection_id, "alice"))
    assert listed is not None
    assert collection is not None
    (document,) = listed
    counts = collection.documents.model_dump()
    assert counts == {"total": 1, "ready": 0, "pending": 0, "failed": 0} | {str(document.status): 1}
    return document


@pytest.mark.parametrize("when", ["upload", "reading"])
def test_a_failed_document_that_comes_again_is_read_again(store: JobStore, when: str) -> None:
    """Given a document that failed when uploaded or read, when its file comes again, then it is read as if new."""
    collection_id = collection_with(store, new_document(error=DAMAGED if when == "upload" else None))
    if when == "reading":
        store.run(operations.document_failed(claimed(store), DAMAGED))
    failed = only_document(store, collection_id)
    assert failed.error == DAMAGED

    answered = store.run(operations.add_documents(collection_id, "alice", [new_document()]))

    waiting = only_document(store, collection_id)
    assert answered == (waiting,)
    assert (waiting.id, waiting.status, waiting.error, waiting.attempt) == (failed.id, DocumentStatus.PENDING, None, 0)
    assert store.run(operations.document_ready(claimed(store), READ))
    ready = only_document(store, collection_id)
    assert (ready.status, ready.error, ready.pages) == (DocumentStatus.READY, None, 7)
    assert store.run(operations.delete_documents(collection_id, ready.id, "alice")) == (SHA256,)


def test_a_failed_document_that_is_refused_again_stays_failed(store: JobStore) -> None:
    """Given a document that failed, when its file comes again and is refused, then nothing waits to be read."""
    collection_id = collection_with(store, new_document(error=DAMAGED))
    store.run(operations.add_documents(collection_id, "alice", [new_document(error=DAMAGED)]))
    assert only_document(store, collection_id).status is DocumentStatus.FAILED
    assert store.run(operations.claim_document("w", LEASE_MS, 3)) is None


def test_a_ready_document_can_be_read_again_and_no_other(store: JobStore) -> None:
    """Given a document, when it is to be read again, then it waits if it was ready, and is left alone else."""
    collection_id = collection_with(store, new_document())
    document = only_document(store, collection_id)
    assert store.run(operations.read_again([document.id])) == 0
    held = claimed(store)
    assert store.run(operations.read_again([document.id])) == 0
    store.run(operations.document_ready(held, READ))

    assert store.run(operations.read_again([document.id, new_document_id()])) == 1

    waiting = only_document(store, collection_id)
    assert (waiting.status, waiting.pages, waiting.company, waiting.period, waiting.doc_type, waiting.attempt) == (
        DocumentStatus.PENDING, None, None, None, None, 0,
    )  # fmt: skip
    assert claimed(store).id == document.id


def test_a_file_is_unlisted_when_no_document_lists_it(store: JobStore) -> None:
    """Given a document, when asked which of two files nobody lists, then the other; when it is deleted, then both."""
    collection_id = collection_with(store, new_document())
    asked = operations.unlisted_reports([SHA256, "b" * 64])
    assert store.run(asked) == ("b" * 64,)
    store.run(operations.delete_documents(collection_id, None, "alice"))
    assert store.run(asked) == (SHA256, "b" * 64)


def test_redis_knows_for_how_long_it_remembers(store: JobStore) -> None:
    """Given a Redis that was asked an hour ago, when asked, then an hour; when it was emptied, then it begins anew."""
    assert store.run(memory_age_ms()) == 0
    key = f"{store.keys.root}kept_since_ms"
    store.client.decrby(key, 3_600_000)
    assert 3_600_000 <= store.run(memory_age_ms()) < 3_660_000
    store.client.flushall()
    assert store.run(memory_age_ms()) == 0


def test_an_empty_file_can_be_deleted(store: JobStore) -> None:
    """Given a document of no bytes, when its collection is deleted, then its file is an orphan and both are gone."""
    collection = store.run(operations.create_collection(new_collection_id(), "alice", "reports"))
    empty = NewDocument(id=new_document_id(), name="empty.txt", bytes=0, sha256="a" * 64, error=None)
    store.run(operations.add_documents(collection.id, "alice", [empty]))
    assert store.run(operations.delete_documents(collection.id, None, "alice")) == ("a" * 64,)
    assert store.run(operations.describe_collection(collection.id, "alice")) is None
