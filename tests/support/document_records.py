"""Collections with documents in a job store."""

from common import collection_operations as operations
from common.collections import ItemError, NewDocument, new_collection_id, new_document_id
from common.store import JobStore

SHA256 = "a" * 64


def new_document(name: str = "a.pdf", sha256: str = SHA256, error: ItemError | None = None) -> NewDocument:
    """A document of a name and content, refused at its upload where there is an error."""
    return NewDocument(id=new_document_id(), name=name, bytes=10, sha256=sha256, error=error)


def collection_with(store: JobStore, *documents: NewDocument, caller: str = "alice") -> str:
    """Return the id of a new collection of these documents."""
    collection = store.run(operations.create_collection(new_collection_id(), caller, "reports"))
    assert store.run(operations.add_documents(collection.id, caller, documents)) is not None
    return collection.id
