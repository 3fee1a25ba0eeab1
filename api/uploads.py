"""One uploaded file and the form fields beside it, streamed into the file store piece by piece."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Request

from api.multipart import PartBegin, PartData, PartEnd, read_parts
from api.settings import UploadPatience
from common.errors import BodyTooLargeError, RequestError
from common.file_errors import outages_told
from common.files import FileStore

WRITING_THREADS = 8
# Pieces are written together, as each hand-over to a thread costs more than the copy.
WRITE_BYTES = 1 << 20
MOST_FIELD_BYTES = 4_096
# Beside the file: boundaries, part heads and fields.
FORM_BYTES = 64 << 10


@dataclass(slots=True)
class Upload:
    """What a form held; the file's bytes are in the store under the key that was given for them."""

    fields: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    bytes: int = 0


class Uploads:
    """Receives forms with one file named `file`."""

    def __init__(self, files: FileStore, most_file_bytes: int, patience: UploadPatience) -> None:
        self._files = files
        self._most_file_bytes = most_file_bytes
        self._patience = patience
        self._threads = CapacityLimiter(WRITING_THREADS)

    async def receive(self, request: Request, key: str) -> Upload:
        """Read a form; raises RequestErrors, after which nothing is under the key.

        A declared length over the limit is refused before anything is read.
        """
        self._check_declared(request)
        receiver = _Receiver(self._files, key, self._most_file_bytes)
        try:
            await self._read(request, receiver)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(receiver.close, error, limiter=self._threads)
            raise
        await anyio.to_thread.run_sync(receiver.close, None, limiter=self._threads)
        return receiver.upload

    async def _read(self, request: Request, receiver: "_Receiver") -> None:
        async for event in read_parts(request, self._most_file_bytes + FORM_BYTES, self._patience):
            match event:
                case PartBegin():
                    receiver.begin(event)
                case PartData() if receiver.take(event.data):
                    await anyio.to_thread.run_sync(receiver.flush, limiter=self._threads)
                case PartEnd():
                    await anyio.to_thread.run_sync(receiver.flush, limiter=self._threads)
                    receiver.end()
        if receiver.upload.filename is None:
            raise RequestError("The form holds no file; send it as the part `file` with a file name.", "file")

    def _check_declared(self, request: Request) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > self._most_file_bytes + FORM_BYTES:
            raise _too_large(self._most_file_bytes)


class _Receiver:
    """The state of one form; `flush` and `close` block."""

    def __init__(self, files: FileStore, key: str, most_file_bytes: int) -> None:
        self._files = files
        self._key = key
        self._most_file_bytes = most_file_bytes
        self._stack = ExitStack()
        self._file: BinaryIO | None = None
        self._part: PartBegin | None = None
        self._buffer = bytearray()
        self.upload = Upload()

    def begin(self, part: PartBegin) -> None:
        self._part = part
        self._buffer.clear()
        if part.filename is None:
            if part.name in self.upload.fields:
                raise RequestError(f"The field {part.name[:64]!r} is sent twice.", part.name[:64])
            return
        if part.name != "file" or self.upload.filename is not None:
            raise RequestError("Send exactly one file, as the part `file`.", part.name[:64])
        self.upload.filename = part.filename

    def take(self, data: bytes) -> bool:
        """Keep a piece; tells whether it is time to flush."""
        self._buffer += data
        if self._is_file:
            self.upload.bytes += len(data)
            if self.upload.bytes > self._most_file_bytes:
                raise _too_large(self._most_file_bytes)
            return len(self._buffer) >= WRITE_BYTES
        if len(self._buffer) > MOST_FIELD_BYTES:
            raise BodyTooLargeError(f"A form field is longer than {MOST_FIELD_BYTES} bytes.")
        return False

    def flush(self) -> None:
        if not self._is_file:
            return
        with outages_told():
            if self._file is None:
                writing: AbstractContextManager[BinaryIO] = self._files.writing(self._key)
                self._file = self._stack.enter_context(writing)
            self._file.write(bytes(self._buffer))
        self._buffer.clear()

    def end(self) -> None:
        if not self._is_file and self._part is not None:
            self.upload.fields[self._part.name] = self._buffer.decode("utf-8", "replace")
        self._part = None

    def close(self, failure: BaseException | None) -> None:
        """Make the file seen, or after a failure leave nothing behind."""
        if failure is None:
            with outages_told():
                self._stack.close()
            return
        try:
            self._stack.__exit__(type(failure), failure, failure.__traceback__)
        except BaseException as error:
            if error is not failure:
                raise

    @property
    def _is_file(self) -> bool:
        return self._part is not None and self._part.filename is not None


def _too_large(most_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The file is larger than {most_bytes} bytes. Split it into several.")
