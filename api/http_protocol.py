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
    """Closes connections that send endless or endlessly slow request heads."""

    _head_open = False
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None

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
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._head_open = False
        self._stop_clock()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count bytes as long as a head is open."""
        super().data_received(data)
        if not self._head_open:
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()
        elif self._head_timer is None:
            self._start_clock()

    def _start_clock(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        detail = f"The head of the request is larger than {MAX_HEAD_BYTES} bytes."
        response = problem_response("/", "headers_too_large", detail, headers={"Connection": "close"})
        fields = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
        status_line = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
        self.transport.write(status_line + fields + b"\r\n" + bytes(response.body))
        self.transport.close()
