"""What callers can do with collections and their documents."""

import asyncio
import re
from typing import TypeVar

from fastapi import Request

from api.report_uploads import ReportUploads
from common import collection_operations as operations
from common.collections import Collection, DocumentRecord, DocumentStatus, new_collection_id, upload_key
from common.errors import NotFoundError, RequestError
from common.file_errors import outages_told
from common.files import FileStore
from common.operations import Operation
from common.pages import Document, Page, content_address, document_key, made_from
from common.store import AsyncJobStore

COLLECTION_ID_PATTERN = r"^col_[0-9a-f]{28}$"
DOCUMENT_ID_PATTERN = r"^doc_[0-9a-f]{28}$"
_DOCUMENTS_A_CALL = 200

T = TypeVar("T")


class CollectionService:
    """Everything the collection routes do, one method a verb; raises NotFoundError for what the caller has not."""

    def __init__(self, store: AsyncJobStore, files: FileStore, uploads: ReportUploads) -> None:
        self._store = store
        self._files = files
        self._uploads = uploads

    async def create(self, caller: str, name: str) -> Collection:
        """Create an empty collection."""
        return await self._store.run(operations.create_collection(new_collection_id(), caller, name))

    async def get(self, caller: str, collection_id: str) -> Collection:
        """Return a collection."""
        found = None
        if re.match(COLLECTION_ID_PATTERN, collection_id):
            found = await self._store.run(operations.describe_collection(collection_id, caller))
        return _found(found, "collection", collection_id)

    async def page(self, caller: str, after: str | None, most: int) -> tuple[tuple[Collection, ...], bool]:
        """Return collections below `after`, newest first, and whether more follow."""
        found = await self._store.run(operations.list_collections(caller, after, most + 1))
        return found[:most], len(found) > most

    async def delete(self, caller: str, collection_id: str) -> None:
        """Delete a collection, its documents, and the files nobody else lists."""
        await self._delete(operations.delete_documents(collection_id, None, caller), "collection", collection_id)

    async def add(self, caller: str, collection_id: str, request: Request) -> list[DocumentRecord]:
        """Keep the files of a request as documents; they are read by workers."""
        await self.get(caller, collection_id)
        added: list[DocumentRecord] = []
        async for documents in self._uploads.receive(request):
            # Each file is listed as soon as it is kept: an upload that breaks off keeps what had arrived.
            for start in range(0, len(documents), _DOCUMENTS_A_CALL):
                part = documents[start : start + _DOCUMENTS_A_CALL]
                listed = await self._store.run(operations.add_documents(collection_id, caller, part))
                added.extend(_found(listed, "collection", collection_id))
        if not added:
            raise RequestError("The form holds no file. Send each report as a file in the field `file`.", "file")
        return added

    async def documents(
        self, caller: str, collection_id: str, after: str | None, most: int
    ) -> tuple[tuple[DocumentRecord, ...], bool]:
        """Return documents after `after`, oldest first, and whether more follow."""
        listed = await self._store.run(operations.list_documents(collection_id, caller, after, most + 1))
        found = _found(listed, "collection", collection_id)
        return found[:most], len(found) > most

    async def document(self, caller: str, collection_id: str, document_id: str) -> DocumentRecord:
        """Return one document."""
        found = None
        if re.match(DOCUMENT_ID_PATTERN, document_id):
            found = await self._store.run(operations.describe_document(collection_id, document_id, caller))
        return _found(found, "document", document_id)

    async def delete_document(self, caller: str, collection_id: str, document_id: str) -> None:
        """Delete one document, and its file if nobody else lists it."""
        deletion = operations.delete_documents(collection_id, document_id, caller)
        await self._delete(deletion, "document", document_id)

    async def document_page(
        self, caller: str, collection_id: str, document_id: str, number: int
    ) -> tuple[DocumentRecord, Page]:
        """Return a page's text as citations quote it; raises RequestError while the document is not ready.

        A document whose pages another version of the parsers read is queued to be read again.
        """
        record = await self.document(caller, collection_id, document_id)
        if record.error is not None:
            raise RequestError(record.error.message)
        if record.status is not DocumentStatus.READY:
            raise RequestError(f"{record.name} is {record.status}; its pages can be read when it is ready.")
        parsed = await asyncio.to_thread(self._parsed, record.sha256)
        if parsed is None:
            await self._store.run(operations.read_again([record.id]))
            raise RequestError(
                f"The pages of {record.name} were read by another version or lost, and it is being read again. "
                "Ask for the page when the document is ready."
            )
        if not 1 <= number <= len(parsed.pages):
            raise NotFoundError(f"{record.name} has pages 1 to {len(parsed.pages)}, not {number}.")
        return record, parsed.page(number)

    def _parsed(self, sha256: str) -> Document | None:
        with outages_told():
            data = self._files.read(document_key(content_address(sha256)))
        return None if data is None else Document.from_bytes(data)

    async def _delete(self, deletion: Operation[tuple[str, ...] | None], kind: str, name: str) -> None:
        orphans = _found(await self._store.run(deletion), kind, name)
        await asyncio.to_thread(self._delete_files, orphans)

    def _delete_files(self, hashes: tuple[str, ...]) -> None:
        for sha256 in hashes:
            with outages_told():
                self._files.delete(upload_key(sha256))
                for prefix in made_from(sha256):
                    self._files.delete_prefix(prefix)


def _found(value: T | None, kind: str, name: str) -> T:
    if value is None:
        raise NotFoundError(f"You have no {kind} {name[:64]!r}.")
    return value
