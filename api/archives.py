"""Files inside an uploaded zip archive, one by one, under limits that a hostile archive cannot pass."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, BinaryIO

from common.collections import ItemError

# Text compresses about tenfold; what goes far beyond is made to fill a disk.
_MAX_RATIO = 200
_RATIO_FREE_BYTES = 10 << 20
# The standard library unpacks other methods by the piece read, however much comes of it.
_BOUNDED_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
# The directory is read as a whole before its entries can be counted; so many bytes an entry are more than names take.
_DIRECTORY_BYTES_A_FILE = 2_048
_MOST_OFFICE_DIRECTORY_BYTES = 1 << 20
_MOST_NAME_CHARACTERS = 512
# What a damaged archive makes the standard library raise, names that are no UTF-8 among them (a ValueError).
DAMAGE = (zipfile.BadZipFile, EOFError, RuntimeError, OverflowError, ValueError, struct.error, zlib.error)
_END_BYTES, _ZIP64_BYTES, _COMMENT_BYTES, _SEE_ZIP64 = 22, 76, 65_535, 0xFFFF_FFFF
_OFFICE_ENTRY = "[Content_Types].xml"
_IGNORED_FOLDERS = frozenset({"__MACOSX", ".git"})
_IGNORED_NAMES = frozenset({"Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Bounds for one archive: how many files, how large one of them and all together, unpacked."""

    max_files: int
    max_file_bytes: int
    max_total_bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """An entry: its path inside the archive, and its unpacked bytes to be read at once, or why there are none."""

    name: str
    size_bytes: int
    content: IO[bytes] | None
    error: ItemError | None = None


class ArchiveError(Exception):
    """The archive as a whole cannot be used."""

    def __init__(self, error: ItemError) -> None:
        super().__init__(error.message)
        self.error = error


def is_archive(name: str, file: BinaryIO) -> bool:
    """Return whether a file is a plain zip archive; Office documents, which are zip archives too, are not."""
    if not name.lower().endswith(".zip"):
        return False
    if not zipfile.is_zipfile(file):
        return False
    if directory_bytes(file) > _MOST_OFFICE_DIRECTORY_BYTES:
        return True
    try:
        with zipfile.ZipFile(file) as archive:
            return _OFFICE_ENTRY not in archive.namelist()
    except (*DAMAGE, OSError):
        return True


def archive_files(file: BinaryIO, limits: ArchiveLimits) -> Iterator[ArchiveFile]:
    """Yield the archive's files in its own order; system files and folders are left out.

    Raises ArchiveError for a damaged archive, too many entries, or too many bytes.
    """
    try:
        if directory_bytes(file) > limits.max_files * _DIRECTORY_BYTES_A_FILE:
            raise ArchiveError(_error("archive_too_large", f"it lists more than {limits.max_files:,} files. Split it."))
        with zipfile.ZipFile(file) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir() and not _is_ignored(entry.filename)]
            if len(entries) > limits.max_files:
                raise ArchiveError(
                    _error(
                        "archive_too_large",
                        f"it holds {len(entries):,} files; the limit is {limits.max_files:,}. Split the archive.",
                    )
                )
            total = 0
            for entry in entries:
                found = _checked(archive, entry, limits)
                total += found.size_bytes if found.content is not None else 0
                if total > limits.max_total_bytes:
                    raise ArchiveError(
                        _error(
                            "archive_too_large",
                            f"it unpacks to more than {limits.max_total_bytes / 2**20:,.0f} MiB. Split the archive.",
                        )
                    )
                yield found
    except (*DAMAGE, OSError) as error:
        raise ArchiveError(damaged_error(error)) from error


def directory_bytes(file: BinaryIO) -> int:
    """Return how many bytes the archive says its directory of entries has, 0 where it says nothing.

    Source: .ZIP File Format Specification 6.3.10, 4.3.14 to 4.3.16.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES - _COMMENT_BYTES - _ZIP64_BYTES))
    tail = file.read()
    file.seek(0)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or len(tail) < end + _END_BYTES:
        return 0
    said: int = struct.unpack_from("<I", tail, end + 12)[0]
    large = tail.rfind(b"PK\x06\x06", 0, end)
    if large < 0 or len(tail) < large + 48:
        return said
    large_said: int = struct.unpack_from("<Q", tail, large + 40)[0]
    return large_said if said == _SEE_ZIP64 else max(said, large_said)


def damaged_error(error: BaseException) -> ItemError:
    """Return the error of an archive, or of an entry, that cannot be read."""
    return _error("archive_damaged", f"the zip archive cannot be read ({str(error)[:100]}). Pack it again.")


def _checked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limits: ArchiveLimits) -> ArchiveFile:
    name = entry.filename.replace("\\", "/")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\x00" in name or name[1:2] == ":":
        safe = PurePosixPath(name).name.replace("\x00", "")[-_MOST_NAME_CHARACTERS:] or "unnamed"
        return ArchiveFile(
            safe,
            0,
            None,
            _error("document_unsafe_name", f"the archive names it {name[:100]!r}, which leads outside. Pack it again."),
        )
    name = name[-_MOST_NAME_CHARACTERS:]
    if entry.flag_bits & 1:
        return ArchiveFile(
            name,
            0,
            None,
            _error("document_password", "it is encrypted inside the archive. Pack it without a password."),
        )
    if entry.compress_type not in _BOUNDED_METHODS:
        return ArchiveFile(
            name,
            0,
            None,
            _error("document_compression", "it is packed with another method than deflate. Pack it again."),
        )
    if entry.file_size > limits.max_file_bytes:
        return ArchiveFile(name, 0, None, too_large_error(entry.file_size, limits.max_file_bytes))
    if entry.file_size > _RATIO_FREE_BYTES and entry.file_size > _MAX_RATIO * max(1, entry.compress_size):
        return ArchiveFile(
            name,
            0,
            None,
            _error(
                "document_suspicious",
                f"it unpacks to {_MAX_RATIO} times its packed size and more, as made to fill a disk.",
            ),
        )
    # Reading stops at the size the directory names, so an entry cannot grow beyond what was checked.
    return ArchiveFile(name, entry.file_size, archive.open(entry))


def too_large_error(size: int, limit: int) -> ItemError:
    """Return the error of a file over the limit."""
    return _error(
        "document_too_large",
        f"the file has {size / 2**20:,.1f} MiB; the limit is {limit / 2**20:,.1f} MiB. "
        "Split the file or raise the limit.",
    )


def _is_ignored(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or _IGNORED_FOLDERS.intersection(parts):
        return True
    return parts[-1].startswith(".") or parts[-1] in _IGNORED_NAMES


def _error(code: str, sentence: str) -> ItemError:
    return ItemError(code=code, message=sentence)
