"""uvicorn's HTTP protocol with limits on request heads, which it lacks: their size and the time they may take."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.middleware import MAX_HEADER_BYTES
from api.problems import problem_response

# One read may bring this much beside the head, so the finer limit of the middleware stays below it.
MAX_HEAD_BYTES = 2 * MAX_HEADER_BYTES
HEAD_TIMEOUT_S = 15.0


class LimitedHttpProtocol(HttpToolsProtocol):
    """Closes connections that send endless or endlessly slow request heads or trailers."""

    _head_open = False
    _message_open = False
    _has_progressed = False
    _bytes_since_progress = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock of the first head."""
        super().connection_made(transport)
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_open = True
        self._message_open = True
        self._has_progressed = False
        self._bytes_since_progress = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete; one behind the body is a trailer, which no route reads."""
        if self._head_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head_open = False
        self._progress()
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """The size of a chunk is complete."""
        self._progress()

    def on_chunk_complete(self) -> None:
        """A chunk is complete."""
        self._progress()

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        self._progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._message_open = False
        self._progress()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Count bytes that bring an open request no further."""
        self._has_progressed = False
        super().data_received(data)
        if self._has_progressed or not self._message_open:
            return
        self._bytes_since_progress += len(data)
        if self._bytes_since_progress > MAX_HEAD_BYTES:
            self._refuse()
        elif self._timer is None:
            self._start_clock()

    def _progress(self) -> None:
        self._has_progressed = True
        self._bytes_since_progress = 0
        self._stop_clock()

    def _start_clock(self) -> None:
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def _stop_clock(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        if not self._head_open:
            # The answer may be on its way already.
            self.transport.close()
            return
        detail = f"The head of the request is larger than {MAX_HEAD_BYTES} bytes."
        response = problem_response("/", "headers_too_large", detail, headers={"Connection": "close"})
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        status_line = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        self.transport.write(status_line + fields + b"\r\n" + bytes(response.body))
        self.transport.close()
