"""A real Redis server for tests, on a free loopback port."""

import socket
import subprocess
import time
from pathlib import Path

import redis

from api.local_redis import find_redis_server, redis_arguments


def free_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisProcess:
    """A server that can be killed and started again on its append-only file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [str(find_redis_server()), *redis_arguments(self.folder, self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline_s = time.monotonic() + 20
        with redis.Redis.from_url(self.url) as client:
            while not _answers(client):
                if time.monotonic() > deadline_s:
                    raise TimeoutError("redis-server did not answer within 20 s")
                time.sleep(0.02)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None else None

    def kill(self) -> None:
        """Kill the server as kill -9 does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
