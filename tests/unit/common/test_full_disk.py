"""Files on a disk that is full."""

import errno
import os
from pathlib import Path

import pytest

from common.errors import UnavailableError
from common.files import FileStore


def test_a_full_disk_is_an_outage_that_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a store with a file, on a disk that has no more room
    files = FileStore(str(tmp_path))
    files.write("kept", b"before")

    def no_room(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    # When the file is written anew, and another one
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_room)
        for key in ("kept", "new"):
            with pytest.raises(UnavailableError, match="no room"):
                files.write(key, b"after")
    # Then what was there is there, and nothing else
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert files.read("kept") == b"before"
    # And with room it is written
    files.write("new", b"after")
    assert files.read("new") == b"after"


def test_other_errors_of_a_disk_are_not_said_to_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a disk that cannot be read or written, when a file is kept, then the error is told as it is."""

    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        FileStore(str(tmp_path)).write("key", b"bytes")
