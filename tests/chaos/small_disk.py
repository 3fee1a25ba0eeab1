"""A small disk for the data of a run: a tmpfs, which can be filled to the last block without harm to others."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

FILLER = "filler"


class SmallDisk:
    """Mounted over an empty folder; `why_not` says why that was not possible, None while it is mounted."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder = folder
        self.why_not: str | None = "it was not mounted yet"
        self._size_mb = size_mb

    def mount(self) -> None:
        """Mount it where this process may."""
        options = f"size={self._size_mb}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired) as error:
            self.why_not = str(error)
            return
        self.why_not = None if done.returncode == 0 else done.stderr.strip() or f"mount ended with {done.returncode}"

    def unmount(self) -> None:
        """Take it away with everything on it."""
        if self.why_not is None:
            subprocess.run(["umount", "-l", str(self.folder)], check=True, timeout=20)

    def fill(self) -> None:
        """Take every free block; call it again for those that became free."""
        # By halves: a step fails as a whole where somebody else takes a block meanwhile.
        with (self.folder / FILLER).open("ab") as filler, suppress(OSError):
            while (free := os.fstatvfs(filler.fileno())).f_bavail:
                step_bytes = (free.f_bavail + 1) // 2 * free.f_bsize
                os.posix_fallocate(filler.fileno(), filler.seek(0, os.SEEK_END), step_bytes)

    def clear(self) -> None:
        """Give all of it back."""
        (self.folder / FILLER).unlink(missing_ok=True)
