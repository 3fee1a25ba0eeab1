"""Documents in both kinds of store."""

from common import collection_operations as operations
from common.collections import NewDocument, new_collection_id, new_document_id
from common.store import JobStore


def test_an_empty_file_can_be_deleted(store: JobStore) -> None:
    """Given a document of no bytes, when its collection is deleted, then its file is an orphan and both are gone."""
    collection = store.run(operations.create_collection(new_collection_id(), "alice", "reports"))
    empty = NewDocument(id=new_document_id(), name="empty.txt", bytes=0, sha256="a" * 64, error=None)
    store.run(operations.add_documents(collection.id, "alice", [empty]))
    assert store.run(operations.delete_documents(collection.id, None, "alice")) == ("a" * 64,)
    assert store.run(operations.describe_collection(collection.id, "alice")) is None
