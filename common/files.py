"""Named bytes behind one URL through fsspec: a local folder by default, a bucket in a cluster."""

import errno
import math
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from common.errors import ConfigurationError, UnavailableError
from common.settings import Settings

CHUNK_BYTES = 1 << 20
# At this age a file goes that no record lists; far beyond the time between an upload's bytes and its record.
UNLISTED_AGE_S = 86_400.0
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{12}\.tmp$")


class FileStore:
    """Immutable files by key, such as `uploads/SHA256`; a write is seen whole or not at all. Calls block."""

    def __init__(self, url: str) -> None:
        try:
            # A bucket's listing kept in memory would hide what other processes write after it.
            self._system, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"FINANCELLM_FILES_URL is {url!r}, which cannot be opened: {error}. s3:// needs the extra `s3`."
            ) from error

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Open the store that the settings name; nothing connects before it is used."""
        return cls(settings.files_location)

    def exists(self, key: str) -> bool:
        """Return whether there is such a file."""
        return bool(self._system.exists(self._path(key)))

    def size(self, key: str) -> int:
        """Return a file's size in bytes; raises FileNotFoundError."""
        return int(self._system.size(self._path(key)))

    def read(self, key: str) -> bytes | None:
        """Return a small file's bytes, None where there is none."""
        try:
            return bytes(self._system.cat_file(self._path(key)))
        except FileNotFoundError:
            return None

    def write(self, key: str, data: bytes) -> None:
        """Keep the bytes under the key."""
        with self.writing(key) as file:
            file.write(data)

    def open(self, key: str) -> BinaryIO:
        """Return a file opened for reading, seekable; raises FileNotFoundError."""
        return cast("BinaryIO", self._system.open(self._path(key), "rb"))

    def chunks(self, key: str) -> Iterator[bytes]:
        """Yield a file's bytes piece by piece; raises FileNotFoundError."""
        with self.open(key) as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """Open a key for writing; an error inside the block leaves what was there before.

        Raises UnavailableError where the disk or the quota is full.
        """
        path = self._path(key)
        # A bucket shows a file only when it is closed; a folder needs the detour over another name.
        written = f"{path}.{secrets.token_hex(6)}.tmp" if self._is_folder else path
        with _room_may_come():
            if self._is_folder:
                # A bucket needs no folders, and its library would create a missing bucket along with them.
                self._system.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
            file: Any = self._system.open(written, "wb")
            try:
                yield file
                if self._is_folder:
                    # What Redis is told of next must outlive a power cut.
                    file.flush()
                    os.fsync(file.fileno())
                file.close()
            except BaseException:
                with suppress(OSError, AttributeError):
                    file.discard() if not self._is_folder else file.close()
                if self._is_folder:
                    self._system.rm_file(written)
                raise
            if self._is_folder:
                self._system.mv(written, path)

    def delete(self, key: str) -> None:
        """Remove a file; one that is not there is no error."""
        with suppress(FileNotFoundError):
            self._system.rm_file(self._path(key))

    def delete_prefix(self, prefix: str) -> None:
        """Remove every file whose key begins with the prefix."""
        for path in self._system.glob(f"{self._path(prefix)}*"):
            with suppress(FileNotFoundError):
                self._system.rm_file(path)

    def keys(self, folder: str) -> list[str]:
        """Return the keys of the files right in a folder, whose name ends in a slash; none if there is no folder."""
        with suppress(FileNotFoundError):
            paths = self._system.ls(self._path(folder), detail=False, refresh=True)
            return [folder + str(path).rpartition("/")[2] for path in paths]
        return []

    def keys_older_than(self, folder: str, age_s: float) -> list[str]:
        """Return the keys of the files right in a folder, whose name ends in a slash, written at least `age_s` ago."""
        latest_s = time.time() - age_s
        with suppress(FileNotFoundError):
            listed = self._system.ls(self._path(folder), detail=True, refresh=True)
            return [folder + str(one["name"]).rpartition("/")[2] for one in listed if _written_at_s(one) <= latest_s]
        return []

    def age_s(self, key: str) -> float | None:
        """Return how long ago a file was written, None if there is none; minus infinity if the store keeps no times."""
        with suppress(FileNotFoundError):
            return time.time() - _written_at_s(self._system.info(self._path(key)))
        return None

    def half_written(self, age_s: float) -> list[str]:
        """Return the keys of files whose writers died at least `age_s` ago; a bucket never shows any."""
        if not self._is_folder:
            return []
        root, latest_s = Path(self._root), time.time() - age_s
        found = (path for path in root.rglob("*.tmp") if _HALF_WRITTEN.search(path.name))
        return [path.relative_to(root).as_posix() for path in found if _changed_at_s(path) <= latest_s]

    @property
    def _is_folder(self) -> bool:
        return isinstance(self._system, LocalFileSystem)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"


@contextmanager
def _room_may_come() -> Iterator[None]:
    """Turn a full disk, which somebody will notice and clear, into UnavailableError."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise UnavailableError(f"There is no room for files: {error}. Free some; what waits then goes on.") from error


def _written_at_s(entry: dict[str, Any]) -> float:
    """Return the Unix time of a listed file, infinity where the store does not tell."""
    if entry.get("mtime") is not None:
        return float(entry["mtime"])
    stamp = entry.get("LastModified")
    return math.inf if stamp is None else float(stamp.timestamp())


def _changed_at_s(path: Path) -> float:
    """Return when a file was written last, infinity for one that was renamed meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf
