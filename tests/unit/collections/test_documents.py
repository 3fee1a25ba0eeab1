"""Documents between upload and readiness: claims, losses, repeats, deletion."""

import time

from common import collection_operations as operations
from common.collections import (
    DocumentFacts,
    DocumentStatus,
    ItemError,
)
from common.store import JobStore
from tests.support.document_records import SHA256, collection_with, new_document

LEASE_MS = 60_000


def test_a_document_is_read_once_and_counted(memory_store: JobStore) -> None:
    """Given two documents, when one is read and one fails, then the collection counts them where they stand."""
    collection_id = collection_with(memory_store, new_document("a.pdf"), new_document("b.pdf", "b" * 64))
    first = memory_store.run(operations.claim_document("w1", LEASE_MS, 3))
    second = memory_store.run(operations.claim_document("w2", LEASE_MS, 3))
    assert first is not None
    assert second is not None
    assert (first.name, second.name) == ("a.pdf", "b.pdf")
    assert memory_store.run(operations.claim_document("w3", LEASE_MS, 3)) is None
    facts = DocumentFacts(pages=7, company="ACME", period="FY2022")
    assert memory_store.run(operations.document_ready(first, facts))
    assert memory_store.run(operations.document_failed(second, ItemError(code="document_damaged", message="broken")))
    collection = memory_store.run(operations.describe_collection(collection_id, "alice"))
    assert collection is not None
    assert collection.documents.model_dump() == {"total": 2, "ready": 1, "pending": 0, "failed": 1}
    assert collection.bytes == 20
    listed = memory_store.run(operations.list_documents(collection_id, "alice", None, 10))
    assert listed is not None
    assert (listed[0].pages, listed[0].company, listed[0].doc_type) == (7, "ACME", None)
    assert listed[1].error == ItemError(code="document_damaged", message="broken")


def test_the_same_file_under_the_same_name_is_there_once(memory_store: JobStore) -> None:
    """Given a document, when its file comes again, then the first one answers; under another name it is another."""
    collection_id = collection_with(memory_store, new_document())
    again = memory_store.run(
        operations.add_documents(collection_id, "alice", [new_document(), new_document("other.pdf")])
    )
    listed = memory_store.run(operations.list_documents(collection_id, "alice", None, 10))
    assert again is not None
    assert listed is not None
    assert [document.id for document in again] == [document.id for document in listed]


def test_a_lost_readers_write_is_refused_and_its_document_goes_on(memory_store: JobStore) -> None:
    """Given a reader whose lease ran out, when another took over, then only the newest may write."""
    collection_with(memory_store, new_document())
    lost = memory_store.run(operations.claim_document("w1", 1, 3))
    time.sleep(0.01)
    found = memory_store.run(operations.claim_document("w2", LEASE_MS, 3))
    assert lost is not None
    assert found is not None
    assert (found.id, found.attempt, found.fencing_token) == (lost.id, 2, 2)
    assert not memory_store.run(operations.renew_document(lost, LEASE_MS))
    assert not memory_store.run(operations.document_ready(lost, DocumentFacts(pages=1)))
    assert memory_store.run(operations.document_ready(found, DocumentFacts(pages=1)))
    assert memory_store.run(operations.document_ready(found, DocumentFacts(pages=1))), "the same write again"


def test_a_document_that_kills_its_readers_is_given_up(memory_store: JobStore) -> None:
    """Given a document, when three readers are lost with it, then it fails as poisoned."""
    collection_id = collection_with(memory_store, new_document())
    for _ in range(3):
        assert memory_store.run(operations.claim_document("w", 1, 3)) is not None
        time.sleep(0.01)
    assert memory_store.run(operations.claim_document("w", 1, 3)) is None
    listed = memory_store.run(operations.list_documents(collection_id, "alice", None, 10))
    assert listed is not None
    assert listed[0].status is DocumentStatus.FAILED
    assert listed[0].error is not None
    assert listed[0].error.code == "poisoned"


def test_a_document_handed_back_counts_no_attempt(memory_store: JobStore) -> None:
    """Given a document being read, when it is handed back, then the next reader's is the first attempt."""
    collection_with(memory_store, new_document())
    held = memory_store.run(operations.claim_document("w", LEASE_MS, 3))
    assert held is not None
    assert memory_store.run(operations.release_document(held))
    again = memory_store.run(operations.claim_document("w", LEASE_MS, 3))
    assert again is not None
    assert again.attempt == 1


def test_files_are_orphans_when_their_last_document_goes(memory_store: JobStore) -> None:
    """Given a file in two callers' collections, when both delete it, then only the second deletion frees the bytes."""
    mine = collection_with(memory_store, new_document())
    theirs = collection_with(memory_store, new_document(), caller="bob")
    assert memory_store.run(operations.delete_documents(mine, None, "bob")) is None
    assert memory_store.run(operations.delete_documents(mine, None, "alice")) == ()
    assert memory_store.run(operations.describe_collection(mine, "alice")) is None
    listed = memory_store.run(operations.list_documents(theirs, "bob", None, 10))
    assert listed is not None
    assert memory_store.run(operations.delete_documents(theirs, listed[0].id, "bob")) == (SHA256,)
    assert memory_store.run(operations.claim_document("w", LEASE_MS, 3)) is None
