"""Files that nobody owns any more are removed, those of others stay."""

import time
from pathlib import Path

import pytest

from common.bulk import NewRun, RunKind, new_run_id, run_folder
from common.collection_operations import add_documents, create_collection
from common.collections import NewDocument, new_collection_id, new_document_id
from common.files import UNLISTED_AGE_S, FileStore
from common.queries import plan_key, planned_run_id
from common.run_operations import create_run
from common.store import JobStore
from common.stored_files import NewFile, create_file, new_file_id
from tests.support.file_age import aged
from worker.bulk.leftovers import HALF_WRITTEN_AGE_S, QUERY_AGE_S, Leftovers

SHA256 = "a" * 64
FILE_ID = new_file_id()
REPORT_KEYS = (f"uploads/{SHA256}", f"documents/{SHA256}-v2.json.gz", f"segments/{SHA256}-v2-i1.npz")
OLD_S = UNLISTED_AGE_S + 60


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path))


def query(store: JobStore) -> str:
    """Create a query and return its id."""
    new = NewRun(id=new_run_id(RunKind.EXTRACTION), kind=RunKind.EXTRACTION, caller="alice", spec={})
    assert store.run(create_run(new)) is not None
    return new.id


def test_plan_and_rows_of_a_query_that_is_gone_are_removed(
    memory_store: JobStore, files: FileStore, tmp_path: Path
) -> None:
    """Given an old plan whose query has no record any more, when a round is made, then plan and rows are gone."""
    run_id = new_run_id(RunKind.EXTRACTION)
    plan = aged(tmp_path, plan_key(run_id), QUERY_AGE_S + 60)
    files.write(f"{run_folder(run_id)}output-all-1", b"row")
    other = new_run_id(RunKind.BATCH)
    files.write(f"{run_folder(other)}output-all-1", b"line")
    Leftovers(memory_store, files).round()
    assert not plan.exists()
    assert files.keys(run_folder(run_id)) == []
    assert files.keys(run_folder(other)) == [f"{run_folder(other)}output-all-1"]


def test_the_plan_of_a_query_that_is_known_stays(memory_store: JobStore, files: FileStore, tmp_path: Path) -> None:
    """Given an old plan of a query that still has its record, when a round is made, then it stays."""
    plan = aged(tmp_path, plan_key(query(memory_store)), QUERY_AGE_S + 60)
    Leftovers(memory_store, files).round()
    assert plan.exists()


def test_a_young_plan_stays_even_without_a_record(memory_store: JobStore, files: FileStore, tmp_path: Path) -> None:
    """Given a plan younger than any record is kept, when Redis has lost the record, then it stays for now."""
    plan = aged(tmp_path, plan_key(new_run_id(RunKind.EXTRACTION)), QUERY_AGE_S - 60)
    Leftovers(memory_store, files).round()
    assert plan.exists()


def test_what_a_killed_upload_left_is_removed(memory_store: JobStore, files: FileStore, tmp_path: Path) -> None:
    """Given half-written files, when a round is made, then old ones go, and one being written and others stay."""
    old = aged(tmp_path, "uploads/abc.0123456789ab.tmp", HALF_WRITTEN_AGE_S + 60)
    writing = aged(tmp_path, "uploads/abc.ba9876543210.tmp", 60)
    whole = aged(tmp_path, "uploads/abc", HALF_WRITTEN_AGE_S + 60)
    foreign = aged(tmp_path, "uploads/notes.tmp", HALF_WRITTEN_AGE_S + 60)
    Leftovers(memory_store, files).round()
    assert not old.exists()
    assert writing.exists()
    assert whole.exists()
    assert foreign.exists()


def remember_for(store: JobStore, age_s: float) -> None:
    """Let Redis look as if it had kept records for some time."""
    store.client.set(f"{store.keys.root}kept_since_ms", int((time.time() - age_s) * 1000))


@pytest.mark.parametrize("key", [*REPORT_KEYS, f"files/{FILE_ID}"])
def test_what_no_record_lists_is_removed_when_it_is_old(
    memory_store: JobStore, files: FileStore, tmp_path: Path, key: str
) -> None:
    """Given bytes that no record lists, when rounds are made, then they go when they are older than any upload."""
    remember_for(memory_store, 2 * OLD_S)
    path = aged(tmp_path, key, UNLISTED_AGE_S - 60)
    Leftovers(memory_store, files).round()
    assert path.exists()
    aged(tmp_path, key, OLD_S)
    Leftovers(memory_store, files).round()
    assert not path.exists()


def test_what_a_record_lists_stays(memory_store: JobStore, files: FileStore, tmp_path: Path) -> None:
    """Given old files of a report and of a caller, and one of another name, when a round is made, then all stay."""
    remember_for(memory_store, 2 * OLD_S)
    collection = memory_store.run(create_collection(new_collection_id(), "alice", "reports"))
    document = NewDocument(id=new_document_id(), name="a.pdf", bytes=0, sha256=SHA256)
    memory_store.run(add_documents(collection.id, "alice", [document]))
    file = NewFile(id=FILE_ID, caller="alice", purpose="batch", filename="a", key=f"files/{FILE_ID}", bytes=0)
    memory_store.run(create_file(file))
    kept = [aged(tmp_path, key, OLD_S) for key in (*REPORT_KEYS, file.key, "uploads/notes.txt")]
    Leftovers(memory_store, files).round()
    assert all(path.exists() for path in kept)


def test_what_is_older_than_the_memory_of_redis_stays(memory_store: JobStore, files: FileStore, tmp_path: Path) -> None:
    """Given a Redis that lost its records, when rounds are made, then files from before that stay."""
    path = aged(tmp_path, REPORT_KEYS[0], OLD_S)
    Leftovers(memory_store, files).round()
    remember_for(memory_store, OLD_S - 30)
    Leftovers(memory_store, files).round()
    assert path.exists()


def test_a_writer_that_dies_leaves_what_is_found(files: FileStore) -> None:
    """Given a file in the middle of being written, when half-written files are listed, then it is among them."""
    with files.writing("uploads/abc") as file:
        file.write(b"half")
        file.flush()
        assert [key.startswith("uploads/abc.") for key in files.half_written(0)] == [True]
    assert files.half_written(0) == []


def test_a_plan_names_its_query() -> None:
    assert planned_run_id(plan_key("qry_1")) == "qry_1"


def test_an_empty_store_has_no_leftovers(memory_store: JobStore, files: FileStore) -> None:
    """Given a folder in which nothing was ever written, when a round is made, then it finds nothing."""
    Leftovers(memory_store, files).round()
    assert files.keys_older_than("plans/", 0) == []
