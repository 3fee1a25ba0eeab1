"""Request heads and trailers on the protocol itself, without a socket."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api import http_protocol
from api.http_protocol import MAX_HEAD_BYTES, LimitedHttpProtocol

CHUNKED = b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = 16_384


class RecordedTransport(asyncio.Transport):
    """Keeps what is written and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def refuse(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers without a look at the body, as to a request without a key."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def connected() -> tuple[LimitedHttpProtocol, RecordedTransport]:
    config = uvicorn.Config(refuse, http=LimitedHttpProtocol, ws="none", log_config=None, lifespan="off")
    config.load()
    protocol = LimitedHttpProtocol(config=config, server_state=ServerState(), app_state={})
    transport = RecordedTransport()
    protocol.connection_made(transport)
    return protocol, transport


async def answered(data: bytes) -> tuple[LimitedHttpProtocol, RecordedTransport]:
    protocol, transport = connected()
    protocol.data_received(data)
    await asyncio.sleep(0)
    assert b" 401 " in transport.written
    return protocol, transport


@pytest.mark.parametrize("trailer", [b"a:\r\n", b"a"], ids=["many", "one"])
async def test_endless_trailers_are_cut_off_and_never_kept(trailer: bytes) -> None:
    # Given a request that was answered before its end
    protocol, transport = await answered(CHUNKED + b"0\r\n")
    # When trailers follow without end
    pieces = 0
    while not transport.closed and pieces < 100:
        protocol.data_received(trailer * (PIECE // len(trailer)))
        pieces += 1
    # Then the connection is closed soon, with no word after the answer, and its headers are those of the head
    assert pieces <= MAX_HEAD_BYTES // PIECE + 1
    assert transport.written.count(b"HTTP/1.1") == 1
    assert [name for name, _ in protocol.headers] == [b"host", b"transfer-encoding"]


async def test_slow_trailers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a request whose trailers stop midway
    monkeypatch.setattr(http_protocol, "HEAD_TIMEOUT_S", 0.01)
    protocol, transport = await answered(CHUNKED + b"0\r\n")
    protocol.data_received(b"a: b\r\nc")
    # When the time of a head has passed, then the connection is closed
    await asyncio.sleep(0.05)
    assert transport.closed


async def test_sound_trailers_are_ignored() -> None:
    # Given a request with a trailer in pieces, when another follows, then both are answered and no clock is left
    protocol, transport = await answered(CHUNKED + b"1\r\nx\r\n0\r\n")
    for piece in (b"Expi", b"res: 0\r\n", b"\r\n", b"GET / HTTP/1.1\r\nHost: y\r\n\r\n"):
        protocol.data_received(piece)
    await asyncio.sleep(0)
    assert transport.written.count(b" 401 ") == 2
    assert protocol.headers == [(b"host", b"y")]
    assert protocol._timer is None
    assert not transport.closed


async def test_a_long_body_in_small_chunks_is_no_endless_trailer() -> None:
    # Given chunks cut anywhere, when they come to more than a head may hold, then the connection stays
    protocol, transport = await answered(CHUNKED)
    for _ in range(MAX_HEAD_BYTES // 4):
        for piece in (b"1", b"\r\n", b"x", b"\r\n"):
            protocol.data_received(piece)
    assert not transport.closed


async def test_an_endless_head_is_answered_and_cut_off() -> None:
    # Given a head without end, when it passes the limit, then 431 and the connection is closed
    protocol, transport = connected()
    protocol.data_received(b"GET / HTTP/1.1\r\nX-Big: ")
    while not transport.closed:
        protocol.data_received(b"x" * PIECE)
    assert transport.written.startswith(b"HTTP/1.1 431 ")
