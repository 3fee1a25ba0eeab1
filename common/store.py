"""The job store: runs operations against Redis, blocking or on an event loop."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from common.errors import UnavailableError
from common.keys import Keys
from common.operations import Operation
from common.settings import Settings

T = TypeVar("T")

GATEWAY_CONNECTIONS = 64
# These share a second prelude.
RUN_SCRIPTS = ("run_", "file_", "blob")
# The code of a refusal begins its text, or stands behind a dash in that of the script it ended (Redis 6).
_REFUSAL = re.compile(r"(^|-)(OOM|LOADING|MISCONF|READONLY|BUSY)\b")


def script_sources() -> dict[str, str]:
    """Return the text of each script of common/scripts by name, the shared preludes in front."""
    folder = files("common") / "scripts"
    texts = {entry.name.removesuffix(".lua"): entry.read_text("utf-8") for entry in folder.iterdir()}
    prelude = texts.pop("prelude")
    run_prelude = f"{prelude}\n{texts.pop('run_prelude')}"
    return {name: f"{run_prelude if name.startswith(RUN_SCRIPTS) else prelude}\n{text}" for name, text in texts.items()}


class JobStore:
    """Blocking store, for workers; safe to share between threads."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self._scripts = {name: client.register_script(source) for name, source in script_sources().items()}

    @classmethod
    def connect(cls, settings: Settings) -> "JobStore":
        """Build a store from settings; the connection opens on first use."""
        return cls(redis.Redis.from_url(settings.redis_url, **_options(settings)), Keys(settings.key_prefix))

    def run(self, operation: Operation[T]) -> T:
        """Run one operation in one round trip; raises UnavailableError if Redis does not answer."""
        with translated_errors():
            reply = self._scripts[operation.script](keys=[self.keys.root], args=operation.args)
        return operation.read(reply)


class AsyncJobStore:
    """Store for the gateway's event loop."""

    def __init__(self, client: redis.asyncio.Redis, keys: Keys) -> None:
        self.client = client
        self.keys = keys
        self._scripts = {name: client.register_script(source) for name, source in script_sources().items()}

    @classmethod
    def connect(cls, settings: Settings) -> "AsyncJobStore":
        """Build a store from settings; the connection opens on first use."""
        # A burst waits for a free connection instead of opening one each; short retries, because a client waits.
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            settings.redis_url,
            max_connections=GATEWAY_CONNECTIONS,
            timeout=settings.redis_timeout_s,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=3),
            **_options(settings),
        )
        return cls(redis.asyncio.Redis.from_pool(pool), Keys(settings.key_prefix))

    async def run(self, operation: Operation[T]) -> T:
        """Run one operation in one round trip; raises UnavailableError if Redis does not answer."""
        with translated_errors():
            reply = await self._scripts[operation.script](keys=[self.keys.root], args=operation.args)
        return operation.read(reply)

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn failures of the connection or the server into UnavailableError."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise UnavailableError(f"Redis does not answer: {error}. Try again in a few seconds.") from error
    except redis.ResponseError as error:
        if not _refuses_writes(error):
            raise
        raise UnavailableError(f"Redis refuses writes: {error}. Try again in a few seconds.") from error


def _refuses_writes(error: redis.ResponseError) -> bool:
    """Tell a server that takes no writes for now from a command that is wrong."""
    return isinstance(error, redis.exceptions.OutOfMemoryError | redis.ReadOnlyError) or bool(
        _REFUSAL.search(str(error))
    )


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_timeout": settings.redis_timeout_s,
        "socket_connect_timeout": settings.redis_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 15,
    }
