"""What callers can do with files: upload, look, read, list, delete."""

import re
from collections.abc import AsyncIterator, Iterator

import anyio.to_thread
from fastapi import Request

from api.file_schemas import read_form
from api.settings import ApiSettings
from api.uploads import Uploads
from common.errors import FileInUseError, NotFoundError, RequestError, UnavailableError
from common.file_errors import outages_told
from common.files import FileStore
from common.store import AsyncJobStore
from common.stored_files import (
    FILE_ID_PATTERN,
    FILES_FOLDER,
    Deletion,
    NewFile,
    StoredFile,
    blob_gone,
    create_file,
    delete_file,
    describe_file,
    list_files,
    new_file_id,
)

_FILE_ID = re.compile(FILE_ID_PATTERN)
MOST_FILENAME_CHARACTERS = 255


class FileService:
    """Everything the file routes do, one method a verb."""

    def __init__(self, settings: ApiSettings, store: AsyncJobStore, files: FileStore) -> None:
        self._store = store
        self._files = files
        self._uploads = Uploads(files, settings.max_upload_bytes, settings.upload_patience)

    async def upload(self, caller: str, request: Request) -> StoredFile:
        """Keep an uploaded file; raises what speaks against it, and then keeps nothing."""
        file_id = new_file_id()
        key = f"{FILES_FOLDER}{file_id}"
        upload = await self._uploads.receive(request, key)
        try:
            return await self._create(caller, file_id, key, upload.fields, upload.filename or "", upload.bytes)
        except RequestError:
            with outages_told():
                await anyio.to_thread.run_sync(self._files.delete, key)
            raise

    async def get(self, caller: str, file_id: str) -> StoredFile:
        """Return a caller's file; raises NotFoundError."""
        found = await self._store.run(describe_file(file_id, caller)) if _FILE_ID.match(file_id) else None
        if found is None:
            raise _unknown(file_id)
        return found

    async def content(self, caller: str, file_id: str) -> tuple[StoredFile, AsyncIterator[bytes]]:
        """Return a file and its bytes piece by piece; raises NotFoundError."""
        file = await self.get(caller, file_id)
        try:
            chunks = self._files.chunks(file.key)
            with outages_told():
                first = await anyio.to_thread.run_sync(next, chunks, b"")
        except FileNotFoundError as error:
            raise UnavailableError(f"The bytes of {file_id} are not in the file store.") from error
        return file, _pieces(first, chunks)

    async def page(
        self, caller: str, purpose: str | None, after: str | None, most_files: int, order: str
    ) -> tuple[tuple[StoredFile, ...], bool]:
        """Return a page of files and whether more follow."""
        files = await self._store.run(list_files(caller, purpose, after, most_files + 1, order))
        return files[:most_files], len(files) > most_files

    async def delete(self, caller: str, file_id: str) -> None:
        """Delete a file; raises NotFoundError, or FileInUseError while a batch reads it."""
        file = await self.get(caller, file_id)
        outcome = await self._store.run(delete_file(file_id, caller))
        if outcome is None:
            raise _unknown(file_id)
        if outcome is Deletion.IN_USE:
            raise FileInUseError(f"A batch that has not ended reads {file_id}; cancel it or wait for its end.")
        with outages_told():
            await anyio.to_thread.run_sync(self._files.delete, file.key)
        await self._store.run(blob_gone(file.key))

    async def _create(
        self, caller: str, file_id: str, key: str, fields: dict[str, str], filename: str, size_bytes: int
    ) -> StoredFile:
        form = read_form(fields)
        if not size_bytes:
            raise RequestError("The file is empty.", "file")
        name = re.split(r"[/\\]", filename)[-1][:MOST_FILENAME_CHARACTERS] or "file"
        new = NewFile(
            id=file_id,
            caller=caller,
            purpose=form.purpose,
            filename=name,
            key=key,
            bytes=size_bytes,
            expires_after_s=form.expires_after_s,
        )
        return await self._store.run(create_file(new))


async def _pieces(first: bytes, rest: Iterator[bytes]) -> AsyncIterator[bytes]:
    piece = first
    while piece:
        yield piece
        piece = await anyio.to_thread.run_sync(next, rest, b"")


def _unknown(file_id: str) -> NotFoundError:
    return NotFoundError(f"There is no file {file_id[:64]!r}.")
