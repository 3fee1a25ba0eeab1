"""One owner at a time for a folder, let go by the system when the owner dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import ConfigurationError

LOCK_NAME = "up.lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Own a folder for the block; raises ConfigurationError that names the process which owns it already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"Another `financellm up` (process {path.read_text() or 'unknown'}) uses {folder}. "
                "Stop it with Ctrl-C, or set FINANCELLM_DATA_DIR to another folder."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
