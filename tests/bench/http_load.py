"""A lean HTTP/1.1 load client on asyncio streams: the bench must measure the gateway, not its client."""

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A response and how long it took."""

    status: int
    body: bytes
    seconds: float

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Reply:
        """Send one request and read its whole response."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        started_s = time.perf_counter()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{headers}\r\n"
        )
        self._writer.write(head.encode() + body)
        await self._writer.drain()
        header = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = int(header.split(" ", 2)[1])
        length = int(header.split("content-length:")[1].split("\r\n")[0])
        content = await self._reader.readexactly(length)
        return Reply(status, content, time.perf_counter() - started_s)

    async def close(self) -> None:
        """Close the connection."""
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()


async def post_many(port: int, path: str, bodies: list[bytes], clients: int) -> tuple[list[Reply], float]:
    """Post every body once over `clients` connections; return the replies and the wall time in seconds."""
    waiting = list(reversed(bodies))
    replies: list[Reply] = []

    async def client() -> None:
        connection = Connection(port)
        while waiting:
            replies.append(await connection.request("POST", path, waiting.pop()))
        await connection.close()

    started_s = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return replies, time.perf_counter() - started_s
