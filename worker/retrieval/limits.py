"""How much work one document may cause."""

import time
from dataclasses import dataclass

from worker.retrieval.problems import DocumentError, Problem


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds for one document; a document over one is refused with the bound in the sentence."""

    max_bytes: int = 100 * 2**20
    max_pages: int = 3_000
    max_seconds: float = 120.0
    max_page_chars: int = 200_000


class Deadline:
    """The moment by which one document must be read, on the monotonic clock."""

    def __init__(self, name: str, limits: ParseLimits) -> None:
        self._name = name
        self._limits = limits
        self._end = time.monotonic() + limits.max_seconds

    def check(self, pages_read: int) -> None:
        """Raise DocumentError once the time is over."""
        if time.monotonic() > self._end:
            raise DocumentError(
                self._name,
                Problem.TOO_SLOW,
                f"reading it took longer than {self._limits.max_seconds:g} s ({pages_read} pages were read). "
                "Split the file or raise the time limit.",
            )


def check_bytes(name: str, size: int, limits: ParseLimits) -> None:
    """Raise DocumentError for a file that is empty or over the limit."""
    if size == 0:
        raise DocumentError(name, Problem.EMPTY, "the file is empty.")
    if size > limits.max_bytes:
        raise DocumentError(
            name,
            Problem.TOO_LARGE,
            f"the file has {size / 2**20:,.1f} MiB; the limit is {limits.max_bytes / 2**20:,.1f} MiB. "
            "Split the file or raise the limit.",
        )


def check_pages(name: str, pages: int, limits: ParseLimits) -> None:
    """Raise DocumentError for more pages than the limit."""
    if pages > limits.max_pages:
        raise DocumentError(
            name,
            Problem.TOO_MANY_PAGES,
            f"it has {pages:,} pages; the limit is {limits.max_pages:,}. Split the file or raise the limit.",
        )
