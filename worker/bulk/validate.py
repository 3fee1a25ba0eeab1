"""The validation of a run: one pass over its source before anything is asked."""

from collections.abc import Callable
from dataclasses import dataclass

from common.bulk import BulkRun, LineError
from common.errors import LeaseLostError
from common.files import FileStore
from worker.bulk.source import BulkSource
from worker.bulk.twins import TwinFinder

MOST_ERRORS = 100
ITEMS_BETWEEN_LOOKS = 200


@dataclass(frozen=True, slots=True)
class Validation:
    """What the pass found; with errors the run must not start."""

    total: int
    twins: str | None
    errors: tuple[LineError, ...]


def validate(run: BulkRun, source: BulkSource, files: FileStore, stopped: Callable[[], bool]) -> Validation:
    """Read the whole source; raises LeaseLostError when told to stop."""
    finder = TwinFinder()
    errors: list[LineError] = []
    total = 0
    for seen in source.scan():
        total += 1
        if total % ITEMS_BETWEEN_LOOKS == 0 and stopped():
            raise LeaseLostError("The validation was broken off; another worker starts it again.")
        if isinstance(seen, LineError):
            errors.append(seen)
            if len(errors) == MOST_ERRORS:
                break
        else:
            finder.add(seen)
    twins = None if errors else finder.save(files, run)
    return Validation(total, twins, tuple(errors))
