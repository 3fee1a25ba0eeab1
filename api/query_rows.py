"""The rows of queries, read from the listed part files of their runs; parts never change, so each is read once."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from common.bulk import Part, RunStream
from common.file_errors import outages_told
from common.files import FileStore
from common.queries import PlannedRow, Row, RowStatus, pending_row, plan_key

_KEPT_PARTS = 4_096
_KEPT_PLANS = 64


class _Place(NamedTuple):
    number: int
    start: int
    end: int
    status: str
    verification: str | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """What the finished rows come to."""

    succeeded: int
    failed: int
    cancelled: int
    verified: int
    unverified: int
    not_found: int


class QueryRows:
    """Reads rows; calls block. Keeps where each row lies, never the rows.

    Every call raises UnavailableError while the file store is away.
    """

    def __init__(self, files: FileStore) -> None:
        self._files = files
        self._parts: OrderedDict[str, tuple[_Place, ...]] = OrderedDict()
        self._plans: OrderedDict[str, tuple[tuple[int, int], ...]] = OrderedDict()

    def tally(self, run_id: str, parts: Sequence[Part]) -> Tally:
        """Count the finished rows."""
        places = [place for part in parts for place in self._places(run_id, part)]
        done = [place for place in places if place.status == RowStatus.SUCCEEDED]
        return Tally(
            succeeded=len(done),
            failed=sum(place.status == RowStatus.FAILED for place in places),
            cancelled=sum(place.status == RowStatus.CANCELLED for place in places),
            verified=sum(place.verification == "verified" for place in done),
            unverified=sum(place.verification in ("unverified", "partly verified") for place in done),
            not_found=sum(place.kind == "not_found" for place in done),
        )

    def planned_total(self, run_id: str) -> int:
        """Return how many rows the query has, 0 until it is planned."""
        return len(self._plan(run_id))

    def page(self, run_id: str, parts: Sequence[Part], first: int, most: int) -> list[Row]:
        """Return rows from number `first` on in row order; one that is not finished is pending."""
        finished = {
            place.number: (part, place)
            for part in parts
            for place in self._places(run_id, part)
            if first <= place.number < first + most
        }
        rows: list[Row] = []
        for number, span in enumerate(self._plan(run_id)[first : first + most], start=first):
            if number in finished:
                part, place = finished[number]
                rows.append(Row.model_validate_json(self._read(part.key(run_id), place.start, place.end)))
            else:
                planned = PlannedRow.model_validate_json(self._read(plan_key(run_id), *span))
                rows.append(pending_row(planned))
        return rows

    def in_order_of_completion(
        self, run_id: str, parts: Sequence[Part], stream: RunStream, after: int, most: int
    ) -> list[Row]:
        """Return finished rows of one stream beyond the first `after`."""
        rows: list[Row] = []
        seen = 0
        for part in (part for part in parts if part.stream is stream):
            for place in self._places(run_id, part)[max(0, after - seen) :]:
                if len(rows) == most:
                    return rows
                rows.append(Row.model_validate_json(self._read(part.key(run_id), place.start, place.end)))
            seen += part.rows
        return rows

    def failed_indices(self, run_id: str, parts: Sequence[Part]) -> list[int]:
        """Return the numbers of the rows that failed."""
        places = (place for part in parts for place in self._places(run_id, part))
        return sorted(place.number for place in places if place.status == RowStatus.FAILED)

    def _places(self, run_id: str, part: Part) -> tuple[_Place, ...]:
        key = part.key(run_id)
        if key not in self._parts:
            self._parts[key] = tuple(self._scanned(key))
            while len(self._parts) > _KEPT_PARTS:
                self._parts.popitem(last=False)
        return self._parts[key]

    def _scanned(self, key: str) -> Iterator[_Place]:
        at = 0
        with outages_told(), self._files.open(key) as file:
            for line in file:
                row = json.loads(line)
                end = at + len(line)
                yield _Place(row["index"], at, end, row["status"], row["verification"], row["kind"])
                at = end

    def _plan(self, run_id: str) -> tuple[tuple[int, int], ...]:
        if run_id not in self._plans:
            spans: list[tuple[int, int]] = []
            try:
                with outages_told(), self._files.open(plan_key(run_id)) as file:
                    for line in file:
                        start = spans[-1][1] if spans else 0
                        spans.append((start, start + len(line)))
            except FileNotFoundError:
                return ()
            self._plans[run_id] = tuple(spans)
            while len(self._plans) > _KEPT_PLANS:
                self._plans.popitem(last=False)
        return self._plans[run_id]

    def _read(self, key: str, start: int, end: int) -> bytes:
        with outages_told(), self._files.open(key) as file:
            file.seek(start)
            return file.read(end - start)


def closed(row: Row) -> Row:
    """Return a row as it stands when its run has ended: one that was never asked will not be."""
    return row.model_copy(update={"status": RowStatus.CANCELLED}) if row.status is RowStatus.PENDING else row
