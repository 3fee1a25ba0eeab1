"""Progress of long preparation steps, for a person or for a log."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich import progress as rich_progress
from rich.console import Console

from training.tensors import Advance


class Progress(Protocol):
    """Where a long step reports to."""

    def stage(self, title: str, total_bytes: int | None) -> AbstractContextManager[Advance]:
        """Open a stage; its context gives a function to call with bytes done. None means an unknown total."""

    def note(self, line: str) -> None:
        """Say one line."""


class ConsoleProgress:
    """One bar per stage on a terminal; one line per stage elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, title: str, total_bytes: int | None) -> Iterator[Advance]:
        """Show a bar until the stage ends; None as the total shows a moving one."""
        columns = (
            rich_progress.TextColumn("{task.description:<15}"),
            rich_progress.BarColumn(),
            rich_progress.DownloadColumn(),
            rich_progress.TransferSpeedColumn(),
            rich_progress.TimeElapsedColumn(),
        )
        with rich_progress.Progress(*columns, console=self._console) as bars:
            task = bars.add_task(title, total=total_bytes)
            yield lambda done_bytes: bars.advance(task, done_bytes)

    def note(self, line: str) -> None:
        """Print one line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
