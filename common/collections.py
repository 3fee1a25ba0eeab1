"""Report collections as plain values: documents with their statuses, the collections that hold them, their ids."""

import secrets
import time
from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel

from common.jobs import Value

UPLOADS_FOLDER = "uploads/"


class DocumentStatus(StrEnum):
    """Where a document stands between its upload and the questions about it."""

    PENDING = "pending"
    PARSING = "parsing"
    READY = "ready"
    FAILED = "failed"


class ItemError(Value):
    """Why a document or a row failed: a stable code and a sentence for people."""

    code: str
    message: str


class DocumentFacts(Value):
    """What reading a document told: `pages` how many, the others None where it does not say."""

    pages: int
    company: str | None = None
    period: str | None = None
    doc_type: str | None = None


class NewDocument(Value):
    """A file to be added; with an `error` it is listed as failed and never read."""

    id: str
    name: str
    bytes: int
    sha256: str
    error: ItemError | None = None


class DocumentRecord(Value):
    """One file of a collection; times are Unix milliseconds by Redis' clock.

    `attempt` counts how often a worker began to read it, `fencing_token` grows by one each time.
    """

    id: str
    collection_id: str
    caller: str
    name: str
    bytes: int
    sha256: str
    status: DocumentStatus
    created_at_ms: int
    error: ItemError | None = None
    pages: int | None = None
    company: str | None = None
    period: str | None = None
    doc_type: str | None = None
    attempt: int = 0
    fencing_token: int = 0


class DocumentCounts(BaseModel):
    """How many documents stand where; `pending` includes those being read."""

    total: int
    ready: int
    pending: int
    failed: int


class Collection(Value):
    """A caller's set of reports; `bytes` is the size of all its files."""

    id: str
    caller: str
    name: str
    created_at_ms: int
    documents: DocumentCounts
    bytes: int


def new_collection_id() -> str:
    """Return an id that sorts by creation time."""
    return _new_id("col")


def new_document_id() -> str:
    """Return an id that sorts by creation time."""
    return _new_id("doc")


def upload_key(sha256: str) -> str:
    """Return where the bytes of an uploaded file are kept."""
    return f"{UPLOADS_FOLDER}{sha256}"


def collection_from_fields(fields: Sequence[str]) -> Collection:
    """Build a collection from the flat name, value, … list of its hash."""
    record = dict(zip(fields[::2], fields[1::2], strict=True))
    counts = {status: int(record.get(status, 0)) for status in DocumentStatus}
    pending = counts[DocumentStatus.PENDING] + counts[DocumentStatus.PARSING]
    ready, failed = counts[DocumentStatus.READY], counts[DocumentStatus.FAILED]
    return Collection(
        id=record["id"],
        caller=record["caller"],
        name=record["name"],
        created_at_ms=int(record["created_at_ms"]),
        documents=DocumentCounts(total=pending + ready + failed, ready=ready, pending=pending, failed=failed),
        bytes=int(record.get("bytes", 0)),
    )


def document_from_fields(fields: Sequence[str]) -> DocumentRecord:
    """Build a document from the flat name, value, … list of its hash."""
    record = dict(zip(fields[::2], fields[1::2], strict=True))
    error = record.pop("error", None)
    known = {name: value for name, value in record.items() if name in DocumentRecord.model_fields}
    parsed = ItemError.model_validate_json(error) if error else None
    return DocumentRecord.model_validate({**known, "error": parsed})


def _new_id(prefix: str) -> str:
    return f"{prefix}_{time.time_ns():016x}{secrets.token_hex(6)}"
