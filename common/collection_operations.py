"""Every transition and query of collections and their documents, as values like those of common/operations.py."""

import json
from collections.abc import Sequence
from typing import Any

from common.collections import (
    Collection,
    DocumentFacts,
    DocumentRecord,
    DocumentStatus,
    ItemError,
    NewDocument,
    collection_from_fields,
    document_from_fields,
)
from common.operations import Operation


def create_collection(collection_id: str, caller: str, name: str) -> Operation[Collection]:
    """Create an empty collection."""
    return Operation("create_collection", (collection_id, caller, name), collection_from_fields)


def describe_collection(collection_id: str, caller: str) -> Operation[Collection | None]:
    """Read a caller's collection; None if there is none."""
    return Operation(
        "describe_collection",
        (collection_id, caller),
        lambda reply: collection_from_fields(reply) if reply else None,
    )


def list_collections(caller: str, below: str | None, most: int) -> Operation[tuple[Collection, ...]]:
    """Read a page of a caller's collections, newest first, below the id of the cursor."""
    return Operation(
        "list_collections",
        (caller, below or "", most),
        lambda reply: tuple(collection_from_fields(fields) for fields in reply),
    )


def add_documents(
    collection_id: str, caller: str, documents: Sequence[NewDocument]
) -> Operation[tuple[DocumentRecord, ...] | None]:
    """Add files, in order; one that is there already under the same name is not added again, a failed one read again.

    None if the caller has no such collection.
    """
    listed = json.dumps([_new_document(document) for document in documents])
    return Operation("add_documents", (collection_id, caller, listed), _read_documents)


def list_documents(
    collection_id: str, caller: str, after: str | None, most: int
) -> Operation[tuple[DocumentRecord, ...] | None]:
    """Read a page of a collection's documents, oldest first, after the id of the cursor; None if there is none."""
    return Operation("list_documents", (collection_id, caller, after or "", most), _read_documents)


def describe_document(collection_id: str, document_id: str, caller: str) -> Operation[DocumentRecord | None]:
    """Read one document; None if the caller's collection has no such one."""
    return Operation(
        "describe_document",
        (collection_id, document_id, caller),
        lambda reply: document_from_fields(reply) if reply else None,
    )


def delete_documents(collection_id: str, document_id: str | None, caller: str) -> Operation[tuple[str, ...] | None]:
    """Delete one document, or the collection with all of them; answers the sha256 of files nobody lists any more.

    None if there is no such collection or document.
    """
    return Operation(
        "delete_documents",
        (collection_id, document_id or "", caller),
        lambda reply: None if reply is None else tuple(reply),
    )


def claim_document(owner: str, lease_ttl_ms: int, max_attempts: int) -> Operation[DocumentRecord | None]:
    """Take the next document to read under a lease, those of lost workers first; None if none waits.

    A document whose readers were lost `max_attempts` times fails as poisoned here.
    """
    return Operation(
        "claim_document",
        (owner, lease_ttl_ms, max_attempts),
        lambda reply: document_from_fields(reply) if reply else None,
    )


def renew_document(document: DocumentRecord, lease_ttl_ms: int) -> Operation[bool]:
    """Keep a document's lease; False if it passed on."""
    return Operation("renew_document", (document.id, document.fencing_token, lease_ttl_ms), bool)


def document_ready(document: DocumentRecord, facts: DocumentFacts) -> Operation[bool]:
    """Record that a document can be asked about; False if the lease passed on."""
    fields = facts.model_dump_json(exclude_none=True)
    return Operation("finish_document", (document.id, document.fencing_token, DocumentStatus.READY, fields), bool)


def document_failed(document: DocumentRecord, error: ItemError) -> Operation[bool]:
    """Record why a document cannot be read; False if the lease passed on."""
    fields = json.dumps({"error": error.model_dump_json()})
    return Operation("finish_document", (document.id, document.fencing_token, DocumentStatus.FAILED, fields), bool)


def release_document(document: DocumentRecord) -> Operation[bool]:
    """Hand a document back unread, as on shutdown; it does not count as an attempt."""
    return Operation("release_document", (document.id, document.fencing_token), bool)


def read_again(document_ids: Sequence[str]) -> Operation[int]:
    """Queue ready documents whose pages are not kept any more; answers how many were."""
    return Operation("read_again", (json.dumps(list(document_ids)),), int)


def unlisted_reports(hashes: Sequence[str]) -> Operation[tuple[str, ...]]:
    """Tell which files, by their sha256, no document lists."""
    return Operation("unlisted", ("file_owners", json.dumps(list(hashes))), tuple)


def _new_document(document: NewDocument) -> dict[str, Any]:
    values = document.model_dump(exclude={"error"})
    if document.error is not None:
        values["error"] = document.error.model_dump_json()
    return values


def _read_documents(reply: Any) -> tuple[DocumentRecord, ...] | None:
    return None if reply is None else tuple(document_from_fields(fields) for fields in reply)
