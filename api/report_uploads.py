"""Uploaded reports: hashed while they stream, kept once per content, archives opened, trouble told by name."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from typing import IO, BinaryIO, cast

from fastapi import Request

from api.archives import (
    DAMAGE,
    ArchiveError,
    ArchiveLimits,
    archive_files,
    damaged_error,
    is_archive,
    too_large_error,
)
from api.multipart import PartBegin, PartData, PartEnd, read_parts
from api.settings import ApiSettings
from common.collections import ItemError, NewDocument, new_document_id, upload_key
from common.errors import BodyTooLargeError, RequestError
from common.file_errors import outages_told
from common.files import CHUNK_BYTES, UNLISTED_AGE_S, FileStore

FILE_FIELD = "file"
_SPOOL_BYTES = 1 << 20


class ReportUploads:
    """Takes files out of requests into the file store."""

    def __init__(self, settings: ApiSettings, files: FileStore) -> None:
        self._settings = settings
        self._files = files

    async def receive(self, request: Request) -> AsyncIterator[list[NewDocument]]:
        """Yield what each `file` part of the body holds, as soon as it is kept: one document, or those of an archive.

        Raises RequestError for a body that is no such form.
        """
        settings = self._settings
        part: _Part | None = None
        parts = 0
        try:
            async for event in read_parts(request, settings.max_reports_upload_bytes, settings.upload_patience):
                match event:
                    case PartBegin():
                        parts += 1
                        if parts > settings.max_archive_files:
                            raise BodyTooLargeError(f"The form holds more than {settings.max_archive_files:,} files.")
                        part = _Part(_file_name(event))
                    case PartData() if part is not None:
                        part.write(event.data)
                    case PartEnd() if part is not None:
                        yield await asyncio.to_thread(self._kept, part)
                        part.file.close()
                        part = None
        finally:
            if part is not None:
                part.file.close()

    def _kept(self, part: "_Part") -> list[NewDocument]:
        part.file.seek(0)
        content = cast("BinaryIO", part.file)
        if is_archive(part.name, content):
            part.file.seek(0)
            return list(self._unpacked(part.name, content))
        if part.size_bytes > self._settings.max_document_bytes:
            error = too_large_error(part.size_bytes, self._settings.max_document_bytes)
            return [_document(part.name, part.size_bytes, part.sha256.hexdigest(), error)]
        self._keep(part.sha256.hexdigest(), part.file)
        return [_document(part.name, part.size_bytes, part.sha256.hexdigest())]

    def _unpacked(self, archive_name: str, file: BinaryIO) -> Iterator[NewDocument]:
        settings = self._settings
        limits = ArchiveLimits(
            settings.max_archive_files, settings.max_document_bytes, settings.max_reports_upload_bytes
        )
        try:
            for entry in archive_files(file, limits):
                if entry.content is None:
                    yield _document(entry.name, entry.size_bytes, _name_hash(entry.name), entry.error)
                    continue
                yield self._unpacked_file(entry.name, entry.size_bytes, entry.content)
        except ArchiveError as error:
            yield _document(archive_name, 0, _name_hash(archive_name), error.error)

    def _unpacked_file(self, name: str, size_bytes: int, content: IO[bytes]) -> NewDocument:
        with content, tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as unpacked:
            try:
                sha256 = _copied(content, unpacked)
            except DAMAGE as error:
                # One entry with a wrong checksum does not speak against the others.
                return _document(name, size_bytes, _name_hash(name), damaged_error(error))
            self._keep(sha256, unpacked)
        return _document(name, size_bytes, sha256)

    def _keep(self, sha256: str, file: IO[bytes]) -> None:
        """Write a file under its content's name unless it is there, and will be until it is listed."""
        key = upload_key(sha256)
        with outages_told():
            age_s = self._files.age_s(key)
            if age_s is not None and age_s < UNLISTED_AGE_S / 2:
                return
            file.seek(0)
            with self._files.writing(key) as kept:
                while chunk := file.read(CHUNK_BYTES):
                    kept.write(chunk)


class _Part:
    def __init__(self, name: str) -> None:
        self.name = name
        self.file = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115 - closed when the part was kept
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        self.file.write(data)
        self.sha256.update(data)
        self.size_bytes += len(data)


def _file_name(part: PartBegin) -> str:
    if part.name != FILE_FIELD or part.filename is None:
        raise RequestError(
            f"The form has a field {part.name[:64]!r}; send each report as a file in the field `{FILE_FIELD}`.",
            part.name[:64] or FILE_FIELD,
        )
    # Folders stay part of the name, so that two reports of one name in different folders can be told apart.
    parts = [piece for piece in part.filename.replace("\\", "/").split("/") if piece not in ("", ".", "..")]
    return "/".join(parts) or "unnamed"


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def _document(name: str, size_bytes: int, sha256: str, error: ItemError | None = None) -> NewDocument:
    named = None if error is None else ItemError(code=error.code, message=f"{name}: {error.message}")
    return NewDocument(id=new_document_id(), name=name, bytes=size_bytes, sha256=sha256, error=named)


def _name_hash(name: str) -> str:
    # A file that was not read has no content hash; the same refusal twice is still one document.
    return hashlib.sha256(f"unread {name}".encode()).hexdigest()
