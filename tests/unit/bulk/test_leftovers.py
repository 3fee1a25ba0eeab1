"""Files that nobody owns any more are removed, those of others stay."""

import os
import time
from pathlib import Path

import pytest

from common.bulk import NewRun, RunKind, new_run_id, run_folder
from common.files import FileStore
from common.queries import plan_key, planned_run_id
from common.run_operations import create_run
from common.store import JobStore
from worker.bulk.leftovers import HALF_WRITTEN_AGE_S, QUERY_AGE_S, Leftovers


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(str(tmp_path))


def aged(folder: Path, key: str, age_s: float) -> Path:
    """Let a file look as if it was written some time ago."""
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    written_s = time.time() - age_s
    os.utime(path, (written_s, written_s))
    return path


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
