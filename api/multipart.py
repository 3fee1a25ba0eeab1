"""multipart/form-data bodies (RFC 7578) as a stream of parts; a file is never held in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.request_errors import BodyTimeoutError, MalformedBodyError, UnsupportedMediaTypeError
from api.settings import UploadPatience
from common.errors import BodyTooLargeError

MOST_NAME_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part begins: the form field's name and, for a file, its file name."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """More bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part that began last is complete."""


PartEvent = PartBegin | PartData | PartEnd


async def read_parts(request: Request, most_bytes: int, patience: UploadPatience) -> AsyncIterator[PartEvent]:
    """Yield the parts of a body piece by piece.

    Raises UnsupportedMediaTypeError, MalformedBodyError, BodyTooLargeError and BodyTimeoutError.
    """
    until_s = time.monotonic() + patience.whole_s
    collector = _Collector()
    parser = MultipartParser(_boundary(request), collector.callbacks())
    chunks = aiter(request.stream())
    received = 0
    while True:
        # Each piece starts the first clock anew, so a second one ends a body that comes byte by byte.
        wait_s = min(patience.idle_s, until_s - time.monotonic())
        try:
            chunk = await asyncio.wait_for(anext(chunks, None), wait_s)
        except TimeoutError as error:
            raise BodyTimeoutError(
                f"The body stood still for {patience.idle_s:g} seconds or took more than {patience.whole_s:g} in all."
            ) from error
        if chunk is None:
            break
        received += len(chunk)
        if received > most_bytes:
            raise BodyTooLargeError(f"The body is larger than {most_bytes} bytes. Send the files in several requests.")
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise MalformedBodyError(f"The body is not valid multipart/form-data: {error}") from error
        for event in collector.taken():
            yield event
    if not collector.complete:
        raise MalformedBodyError("The body ends before its last part does. Send it again.")


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise UnsupportedMediaTypeError("Send files as `Content-Type: multipart/form-data; boundary=...`.")
    return boundary


class _Collector:
    """Turns the parser's callbacks into events."""

    def __init__(self) -> None:
        self._events: list[PartEvent] = []
        self._field = b""
        self._value = b""
        self._headers: dict[str, bytes] = {}
        self.complete = False

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_part_data": lambda data, start, end: self._events.append(PartData(data[start:end])),
            "on_part_end": lambda: self._events.append(PartEnd()),
            "on_end": self._on_end,
        }

    def taken(self) -> list[PartEvent]:
        events, self._events = self._events, []
        return events

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value
        self._field = self._value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        filename = options.get(b"filename")
        self._events.append(
            PartBegin(
                options.get(b"name", b"").decode("utf-8", "replace"),
                None if filename is None else filename.decode("utf-8", "replace")[:MOST_NAME_CHARACTERS],
            )
        )

    def _on_end(self) -> None:
        self.complete = True
