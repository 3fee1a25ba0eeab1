"""Webhook receivers that answer, hang, fail, redirect or say that they are gone."""

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Self

ANSWERS = {
    "/ok": "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    "/fail": "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "/gone": "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "/redirect": "HTTP/1.1 307 Temporary Redirect\r\nLocation: /trap\r\nContent-Length: 0\r\n\r\n",
    "/trap": "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
}
HANGING_PATH = "/hang"
HANG_S = 60.0


class Receivers:
    """One loopback server; the path chooses the behaviour."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    def url(self, path: str) -> str:
        """Return the address of one behaviour."""
        if self._server is None:
            raise RuntimeError("the receivers are not started")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.calls[path] += 1
            if path == HANGING_PATH:
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), HANG_S)
            else:
                writer.write(ANSWERS[path].encode())
                await writer.drain()
        writer.close()
