"""Fixtures every layer of tests may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import fakeredis
import pytest
import redis
from hypothesis import settings

from common.keys import Keys
from common.store import JobStore
from tests.support.redis_process import RedisProcess

# A busy machine makes any example slow, which is no defect.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they live in."""
    for item in items:
        for layer in ("integration", "acceptance", "chaos"):
            if f"tests/{layer}/" in item.path.as_posix():
                item.add_marker(layer)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A real Redis server for the whole session."""
    process = RedisProcess(tmp_path_factory.mktemp("redis"))
    process.start()
    yield process
    process.kill()


@pytest.fixture
def redis_url(redis_process: RedisProcess) -> str:
    """The address of a real, empty Redis."""
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushall()
    return redis_process.url


@pytest.fixture
def job_store(redis_url: str) -> Iterator[JobStore]:
    """A job store on a real, empty Redis."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield JobStore(client, Keys("test"))


@pytest.fixture
def memory_store() -> Iterator[JobStore]:
    """The job store's in-memory twin: the same Lua scripts on fakeredis."""
    with fakeredis.FakeRedis(decode_responses=True) as client:
        yield JobStore(client, Keys("test"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real finance data, named by FINANCELLM_SHARED_DATA or lying beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("FINANCELLM_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no finance data at {folder}; set FINANCELLM_SHARED_DATA")
    return folder
