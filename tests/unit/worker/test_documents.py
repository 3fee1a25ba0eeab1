"""Documents whose bytes, pages or index cannot be kept or read for a while."""

import io
from types import SimpleNamespace
from typing import Any

import pytest

from common import collection_operations as operations
from common.collections import (
    DocumentRecord,
    DocumentStatus,
    NewDocument,
    new_collection_id,
    new_document_id,
)
from common.errors import UnavailableError
from common.store import JobStore
from worker import documents as documents_module
from worker.documents import DocumentReader
from worker.settings import WorkerSettings

MAX_ATTEMPTS = 3
NO_ROOM = UnavailableError("There is no room for files.")


class LibraryError(Exception):
    """As a bucket's library raises where it cannot connect: no OSError."""


class Troubled:
    """Files and library in one; each raises its error, where it has one."""

    def __init__(self, opening: Exception | None = None, adding: Exception | None = None) -> None:
        self.opening = opening
        self.adding = adding

    def open(self, _key: str) -> io.BytesIO:
        if self.opening is not None:
            raise self.opening
        return io.BytesIO(b"bytes")

    def add(self, _name: str, _data: bytes) -> Any:
        if self.adding is not None:
            raise self.adding
        return SimpleNamespace(address="address", pages=[1, 2])

    def segment(self, _entry: Any) -> Any:
        metadata = SimpleNamespace(fiscal_years=(), quarters=(), companies=(), form=SimpleNamespace(value="other"))
        return SimpleNamespace(metadata=metadata)


@pytest.fixture
def collection_id(memory_store: JobStore) -> str:
    """A collection with one document that waits to be read."""
    collection = memory_store.run(operations.create_collection(new_collection_id(), "alice", "reports"))
    document = NewDocument(id=new_document_id(), name="a.pdf", bytes=5, sha256="a" * 64, error=None)
    assert memory_store.run(operations.add_documents(collection.id, "alice", [document])) is not None
    return collection.id


def make_reader(store: JobStore, troubled: Troubled) -> DocumentReader:
    either: Any = troubled
    return DocumentReader(store, either, either, WorkerSettings(engine="fake", max_attempts=MAX_ATTEMPTS))


def document_of(store: JobStore, collection_id: str) -> DocumentRecord:
    listed = store.run(operations.list_documents(collection_id, "alice", None, 10))
    assert listed is not None
    return listed[0]


@pytest.mark.parametrize(
    "troubled",
    [
        Troubled(opening=OSError(5, "the bucket answers 503")),
        Troubled(opening=LibraryError("no connection")),
        Troubled(adding=NO_ROOM),
        Troubled(adding=OSError(11, "no process for the parser")),
    ],
)
def test_an_outage_costs_a_document_no_attempt(memory_store: JobStore, collection_id: str, troubled: Troubled) -> None:
    """Given an outage of the files, when read more often than a document may be lost, then it waits and is read."""
    reader = make_reader(memory_store, troubled)
    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(UnavailableError):
            reader.round()
        waiting = document_of(memory_store, collection_id)
        assert (waiting.status, waiting.attempt) == (DocumentStatus.PENDING, 0)
    troubled.opening = troubled.adding = None
    reader.round()
    assert document_of(memory_store, collection_id).status is DocumentStatus.READY


def test_a_file_that_stays_unreadable_counts_attempts_again(
    memory_store: JobStore, collection_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given one broken file, when patience is over, then its lease is left to run out and others get a turn."""
    monkeypatch.setattr(documents_module, "OUTAGE_PATIENCE_S", 0.0)
    reader = make_reader(memory_store, Troubled(opening=OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        reader.round()
    held = document_of(memory_store, collection_id)
    assert (held.status, held.attempt) == (DocumentStatus.PARSING, 1)


def test_bytes_that_are_gone_are_no_outage(memory_store: JobStore, collection_id: str) -> None:
    """Given a document whose bytes were deleted, when read, then it fails and says so."""
    make_reader(memory_store, Troubled(opening=FileNotFoundError())).round()
    failed = document_of(memory_store, collection_id)
    assert failed.error is not None
    assert failed.error.code == "document_missing"
