"""Items that ask the same: the first is computed, the others take its answer."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from common.bulk import BulkRun, run_folder
from common.files import FileStore
from worker.bulk.source import ScannedItem

_NUMBERS = 3


class TwinFinder:
    """Finds twins during the validation; holds 16 bytes an item."""

    def __init__(self) -> None:
        self._first: dict[bytes, int] = {}
        self._found = array("q")

    def add(self, item: ScannedItem) -> None:
        """Take the next item."""
        if item.twin_key is None:
            return
        first = self._first.setdefault(item.twin_key[:16], item.index)
        if first != item.index:
            self._found.extend((first, item.index, item.cursor))

    def save(self, files: FileStore, run: BulkRun) -> str | None:
        """Write what was found, so that any worker can go on; answers the file's name, None if there are no twins."""
        if not self._found:
            return None
        name = f"twins-{run.fencing_token}"
        files.write(f"{run_folder(run.id)}{name}", self._found.tobytes())
        return name


class Twins:
    """Which items wait for an earlier one."""

    def __init__(self, triples: array[int]) -> None:
        self._followers: dict[int, array[int]] = {}
        self._later: set[int] = set()
        for at in range(0, len(triples), _NUMBERS):
            first, index, cursor = triples[at : at + _NUMBERS]
            self._followers.setdefault(first, array("q")).extend((index, cursor))
            self._later.add(index)

    @classmethod
    def load(cls, files: FileStore, run: BulkRun) -> Twins:
        """Read what the validation found; raises FileNotFoundError."""
        triples = array("q")
        if run.twins is not None:
            key = f"{run_folder(run.id)}{run.twins}"
            found = files.read(key)
            if found is None:
                # Taken for none, they would be asked and recorded a second time.
                raise FileNotFoundError(key)
            triples.frombytes(found)
        return cls(triples)

    def waits(self, index: int) -> bool:
        """Whether the item takes the answer of an earlier one."""
        return index in self._later

    def of(self, index: int) -> Iterator[tuple[int, int]]:
        """Yield index and cursor of the items that take this one's answer."""
        followers = self._followers.get(index, ())
        yield from zip(followers[::2], followers[1::2], strict=True)
