"""The gateway as an application in this process, on the in-memory twin of Redis; the test plays the worker."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import fakeredis
import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.settings import ApiSettings
from common.jobs import Lane
from common.keys import Keys
from common.store import AsyncJobStore, JobStore

BASE_URL = "http://127.0.0.1:8000"
PUBLIC_ADDRESS = "93.184.215.14"

MakeClient = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def redis_server() -> fakeredis.FakeServer:
    """The memory that gateway and worker share."""
    return fakeredis.FakeServer()


@pytest.fixture
def worker_store(redis_server: fakeredis.FakeServer) -> Iterator[JobStore]:
    """The worker's view of the jobs."""
    with fakeredis.FakeRedis(server=redis_server, decode_responses=True) as client:
        yield JobStore(client, Keys("test"))


@pytest.fixture
def permits() -> list[tuple[Lane, str]]:
    """Messages that the gateway sent to workers."""
    return []


def names(host: str, _port: int) -> tuple[str, ...]:
    """Resolve hosts without a network: names under .internal are private, .invalid has none."""
    if host.endswith(".invalid"):
        raise OSError("no such name")
    if host.endswith(".internal"):
        return PUBLIC_ADDRESS, "10.0.0.7"
    return (host,) if host[:1].isdigit() or ":" in host else (PUBLIC_ADDRESS,)


@pytest.fixture
def make_app(
    redis_server: fakeredis.FakeServer, permits: list[tuple[Lane, str]], tmp_path: Path
) -> Callable[..., FastAPI]:
    """Builds applications with the settings a test needs."""

    def build(**settings: Any) -> FastAPI:
        store = AsyncJobStore(fakeredis.FakeAsyncRedis(server=redis_server, decode_responses=True), Keys("test"))
        values: dict[str, Any] = {
            "engine": "fake",
            "key_prefix": "test",
            "notice_poll_s": 0.2,
            "data_dir": tmp_path,
        } | settings
        return create_app(
            ApiSettings(**values), store, lambda lane, job_id: permits.append((lane, job_id)), resolver=names
        )

    return build


@pytest.fixture
def make_client(make_app: Callable[..., FastAPI]) -> MakeClient:
    """Builds clients of a running application."""

    @asynccontextmanager
    async def connect(app: FastAPI | None = None, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = app or make_app(**settings)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
                yield client

    return connect


@pytest.fixture
async def client(make_client: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application with default settings."""
    async with make_client() as connected:
        yield connected
