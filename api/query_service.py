"""What callers can do with queries over their collections."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from api.collection_service import CollectionService
from api.query_rows import QueryRows, closed
from api.query_schemas import QueryCounts, QueryCreation
from common import query_operations, run_operations
from common.bulk import BulkRun, NewRun, Part, RunKind, RunStream, new_run_id, run_id_pattern
from common.errors import NotFoundError, RequestError
from common.queries import QueryQuestion, QuerySpec, Row
from common.store import AsyncJobStore
from common.templates import TEMPLATES

QUERY_ID_PATTERN = run_id_pattern(RunKind.EXTRACTION)
_ROWS_A_READ = 500


@dataclass(frozen=True, slots=True)
class DescribedQuery:
    """A query's run, its listed parts and what its rows come to."""

    run: BulkRun
    parts: tuple[Part, ...]
    counts: QueryCounts


class QueryService:
    """Everything the query routes do, one method a verb; raises NotFoundError for what the caller has not."""

    def __init__(self, store: AsyncJobStore, collections: CollectionService, rows: QueryRows) -> None:
        self._store = store
        self._collections = collections
        self._rows = rows

    async def create(self, caller: str, collection_id: str, creation: QueryCreation) -> DescribedQuery:
        """Ask questions of a collection; they are answered when its documents are read."""
        collection = await self._collections.get(caller, collection_id)
        if not collection.documents.total:
            raise RequestError(f"The collection {collection.name!r} holds no document. Add reports first.")
        spec = QuerySpec(
            collection_id=collection_id,
            questions=_questions(creation),
            template=creation.template,
            scope=creation.scope,
        )
        return await self._start(caller, spec)

    async def get(self, caller: str, collection_id: str, query_id: str) -> DescribedQuery:
        """Return a query with its counts."""
        run = None
        if re.match(QUERY_ID_PATTERN, query_id):
            run = await self._store.run(run_operations.describe_run(query_id, caller, RunKind.EXTRACTION))
        if run is None or run.spec["collection_id"] != collection_id:
            raise NotFoundError(f"The collection has no query {query_id[:64]!r}.")
        return await self._described(run)

    async def page(
        self, caller: str, collection_id: str, after: str | None, most: int
    ) -> tuple[list[DescribedQuery], bool]:
        """Return a collection's queries below `after`, newest first, and whether more may follow."""
        await self._collections.get(caller, collection_id)
        listing = query_operations.list_queries(collection_id, caller, after, most + 1)
        runs = await self._store.run(listing)
        if runs is None:
            await self._adopt_queries(caller)
            runs = await self._store.run(listing)
        found = runs or ()
        return [await self._described(run) for run in found[:most]], len(found) > most

    async def rows(self, described: DescribedQuery, after: int | None, most: int) -> tuple[list[Row], bool]:
        """Return rows behind number `after`, and whether more follow."""
        first = 0 if after is None else after + 1
        rows = await self._page(described, first, most)
        return rows, first + len(rows) < described.counts.total

    async def all_rows(self, described: DescribedQuery) -> AsyncIterator[Row]:
        """Yield every row in row order as it stands now."""
        first = 0
        while True:
            rows = await self._page(described, first, _ROWS_A_READ)
            for row in rows:
                yield row
            if len(rows) < _ROWS_A_READ:
                return
            first += len(rows)

    async def finished_rows(self, described: DescribedQuery, stream: RunStream, after: int, most: int) -> list[Row]:
        """Return finished rows of one stream beyond the first `after`, in order of completion."""
        return await asyncio.to_thread(
            self._rows.in_order_of_completion, described.run.id, described.parts, stream, after, most
        )

    async def cancel(self, caller: str, collection_id: str, query_id: str) -> DescribedQuery:
        """Ask for a query's end; finished rows stay."""
        await self.get(caller, collection_id, query_id)
        await self._store.run(run_operations.cancel_run(query_id, caller, RunKind.EXTRACTION))
        return await self.get(caller, collection_id, query_id)

    async def retry(self, caller: str, collection_id: str, query_id: str) -> DescribedQuery:
        """Ask the failed rows of an ended query again, as a query of their own."""
        described = await self.get(caller, collection_id, query_id)
        if not described.run.status.is_terminal:
            raise RequestError("The query has not ended. Wait for its end or cancel it, then retry what failed.")
        failed = await asyncio.to_thread(self._rows.failed_indices, query_id, described.parts)
        if not failed:
            raise RequestError("No row of the query failed, so there is nothing to retry.")
        pairs = []
        for index in failed:
            row = (await asyncio.to_thread(self._rows.page, query_id, described.parts, index, 1))[0]
            pairs.append((row.document_id, row.question_id))
        spec = QuerySpec.model_validate(described.run.spec)
        return await self._start(caller, spec.model_copy(update={"retry_of": query_id, "only": tuple(pairs)}))

    async def _adopt_queries(self, caller: str) -> None:
        """Let collections list the caller's queries of earlier versions, once for each caller."""
        below = ""
        while True:
            below = await self._store.run(query_operations.adopt_queries(caller, below))
            if not below:
                return

    async def _start(self, caller: str, spec: QuerySpec) -> DescribedQuery:
        run = NewRun(
            id=new_run_id(RunKind.EXTRACTION),
            kind=RunKind.EXTRACTION,
            caller=caller,
            spec=spec.model_dump(mode="json"),
            collection_id=spec.collection_id,
        )
        created = await self._store.run(run_operations.create_run(run))
        if created is None:
            raise NotFoundError(f"You have no collection {spec.collection_id!r}.")
        return await self._described(created)

    async def _page(self, described: DescribedQuery, first: int, most: int) -> list[Row]:
        rows = await asyncio.to_thread(self._rows.page, described.run.id, described.parts, first, most)
        return [closed(row) for row in rows] if described.run.status.is_terminal else rows

    async def _described(self, run: BulkRun) -> DescribedQuery:
        parts = await self._store.run(run_operations.run_parts(run.id))
        counts = await asyncio.to_thread(self._counts, run, parts)
        return DescribedQuery(run, parts, counts)

    def _counts(self, run: BulkRun, parts: Sequence[Part]) -> QueryCounts:
        try:
            tally = self._rows.tally(run.id, parts)
        except FileNotFoundError:
            # The run ended just now: its parts were joined into one.
            return QueryCounts(total=run.total)
        total = max(run.total, self._rows.planned_total(run.id))
        open_rows = total - tally.succeeded - tally.failed - tally.cancelled
        # Rows that a cancelled query never asked have no record.
        left = 0 if not run.status.is_terminal else open_rows
        return QueryCounts(
            total=total,
            succeeded=tally.succeeded,
            failed=tally.failed,
            cancelled=tally.cancelled + left,
            pending=open_rows - left,
            verified=tally.verified,
            unverified=tally.unverified,
            not_found=tally.not_found,
        )


def _questions(creation: QueryCreation) -> tuple[QueryQuestion, ...]:
    asked = [
        QueryQuestion(id=f"q{number}", text=question)
        if isinstance(question, str)
        else QueryQuestion(id=question.id, text=question.text)
        for number, question in enumerate(creation.questions, start=1)
    ]
    columns = TEMPLATES[creation.template] if creation.template else ()
    asked += [QueryQuestion(id=column.name, text=column.question) for column in columns]
    if not asked:
        raise RequestError("The query asks nothing. Give `questions`, a `template`, or both.", "questions")
    repeated = [name for name, count in Counter(question.id for question in asked).items() if count > 1]
    if repeated:
        raise RequestError(f"Two questions are called {repeated[0]!r}. Give each an id of its own.", "questions")
    return tuple(asked)
