"""Progress that remembers what was reported."""

from collections.abc import Iterator
from contextlib import contextmanager

from training.tensors import Advance


class RecordedProgress:
    """Keeps stage titles, bytes done per stage, and notes."""

    def __init__(self) -> None:
        self.done_bytes: dict[str, int] = {}
        self.total_bytes: dict[str, int | None] = {}
        self.notes: list[str] = []

    @contextmanager
    def stage(self, title: str, total_bytes: int | None) -> Iterator[Advance]:
        self.done_bytes[title] = 0
        self.total_bytes[title] = total_bytes

        def advance(done_bytes: int) -> None:
            self.done_bytes[title] += done_bytes

        yield advance

    def note(self, line: str) -> None:
        self.notes.append(line)
