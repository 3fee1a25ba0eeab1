"""Where parsed documents and their indexes are kept: any store of named bytes."""

import os
import tempfile
from pathlib import Path
from typing import Protocol


class Blobs(Protocol):
    """Named immutable bytes; a write is seen whole or not at all."""

    def read(self, key: str) -> bytes | None:
        """Return the bytes, None where there are none."""
        ...

    def write(self, key: str, data: bytes) -> None:
        """Keep the bytes under the key."""
        ...


class FolderBlobs:
    """Blobs as files of one local folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> bytes | None:
        """Return the file's content, None where there is none."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Write beside and rename, so that a reader or a crash never meets half a file."""
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
