"""Files of callers as plain values, and every operation on their records; the bytes are in the file store."""

import json
import secrets
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from common.jobs import Value
from common.operations import Operation

FILE_ID_PATTERN = r"^file-[0-9a-f]{28}$"
FILES_FOLDER = "files/"


class StoredFile(Value):
    """A caller's file; `key` is where the file store has its bytes, times are Unix milliseconds by Redis' clock."""

    id: str
    caller: str
    purpose: str
    filename: str
    key: str
    bytes: int
    created_at_ms: int
    expires_at_ms: int | None = None


class NewFile(Value):
    """A file whose bytes are in the store already."""

    id: str
    caller: str
    purpose: str
    filename: str
    key: str
    bytes: int
    expires_after_s: int | None = None


class Deletion(StrEnum):
    """What became of a deletion."""

    DELETED = "deleted"
    IN_USE = "in_use"


def new_file_id() -> str:
    """Return an id that sorts by creation time."""
    return f"file-{time.time_ns():016x}{secrets.token_hex(6)}"


def create_file(file: NewFile) -> Operation[StoredFile]:
    """Keep a file's record."""
    return Operation("file_create", (json.dumps(file.model_dump(exclude_none=True)),), file_from_fields)


def describe_file(file_id: str, caller: str) -> Operation[StoredFile | None]:
    """Read a caller's file; None if there is no such file."""
    return Operation("file_describe", (file_id, caller), lambda reply: file_from_fields(reply) if reply else None)


def list_files(
    caller: str, purpose: str | None, after: str | None, most_files: int, order: str
) -> Operation[tuple[StoredFile, ...]]:
    """Read a page of a caller's files; `order` is asc or desc by creation."""
    args = (caller, purpose or "", after or "", most_files, order)
    return Operation("file_list", args, lambda reply: tuple(file_from_fields(fields) for fields in reply))


def delete_file(file_id: str, caller: str) -> Operation[Deletion | None]:
    """Delete a caller's file unless a run still reads it; None if there is no such file."""
    return Operation("file_delete", (file_id, caller), lambda reply: Deletion(reply) if reply else None)


def blobs_due(most_blobs: int) -> Operation[tuple[str, ...]]:
    """Let files expire; answers keys of blobs that may be removed from the file store."""
    return Operation("blobs_due", (most_blobs,), tuple)


def blob_gone(key: str) -> Operation[bool]:
    """Note that a blob was removed."""
    return Operation("blob_gone", (key,), bool)


def unlisted_files(file_ids: Sequence[str]) -> Operation[tuple[str, ...]]:
    """Tell which files have no record."""
    return Operation("unlisted", ("file", json.dumps(list(file_ids))), tuple)


def memory_age_ms() -> Operation[int]:
    """Tell for how long records have been kept for certain; a Redis that was emptied begins anew."""
    return Operation("memory_age", (), int)


def file_from_fields(fields: Sequence[str]) -> StoredFile:
    """Build a file from the flat name, value, … list of its hash."""
    record: dict[str, Any] = dict(zip(fields[::2], fields[1::2], strict=True))
    return StoredFile.model_validate({name: value for name, value in record.items() if name in StoredFile.model_fields})
