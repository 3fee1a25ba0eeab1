"""Files of a bucket that other processes write too."""

from collections.abc import Iterator
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from common.files import FileStore


class ListedBucket(MemoryFileSystem):  # type: ignore[misc]
    """Remembers its listings, unless told not to, and answers from them, as s3fs does."""

    cachable = False

    def ls(self, path: str, detail: bool = True, refresh: bool = False, **options: Any) -> list[Any]:
        entries = super().ls(path, detail=True, **options)
        self.dircache[self._strip_protocol(path)] = entries
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **options: Any) -> Any:
        path = self._strip_protocol(path)
        listed = self.dircache.get(self._parent(path)) if self._parent(path) in self.dircache else None
        if listed is not None and path not in {entry["name"] for entry in listed}:
            raise FileNotFoundError(path)
        return super().info(path, **options)

    def exists(self, path: str, **options: Any) -> bool:
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True


@pytest.fixture
def bucket_url() -> Iterator[str]:
    fsspec.register_implementation("memory", ListedBucket, clobber=True)
    yield "memory://bucket/files"
    fsspec.register_implementation("memory", MemoryFileSystem, clobber=True)
    MemoryFileSystem().rm("/bucket", recursive=True)


def test_a_file_of_another_process_is_seen_after_a_listing(bucket_url: str) -> None:
    """Given a store that has listed a folder, when another process writes a file there, then the store sees it."""
    ours, theirs = FileStore(bucket_url), FileStore(bucket_url)
    ours.write("plans/old", b"old")
    assert ours.keys("plans/") == ["plans/old"]
    theirs.write("plans/new", b"new")
    assert ours.exists("plans/new")
    assert ours.size("plans/new") == 3


def test_a_bucket_keeps_no_listing() -> None:
    """Given a store on S3, when it keeps a listing, then nothing of it is remembered."""
    pytest.importorskip("s3fs")
    system = FileStore("s3://bucket/files")._system
    system.dircache["bucket/files/plans"] = []
    assert "bucket/files/plans" not in system.dircache
