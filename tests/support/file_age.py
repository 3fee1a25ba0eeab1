"""Files that look as if they were written some time ago."""

import os
import time
from pathlib import Path


def aged(folder: Path, key: str, age_s: float) -> Path:
    """Let a file of a folder look as old as that, made empty if it is not there; returns its path."""
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    written_s = time.time() - age_s
    os.utime(path, (written_s, written_s))
    return path
