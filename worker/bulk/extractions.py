"""Questions over the documents of a collection as a bulk run."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from common import collection_operations
from common.bulk import BulkRun, LineError, OpenItem, Part, ResultFile
from common.collections import DocumentRecord, DocumentStatus, ItemError
from common.errors import NotFoundError, UnavailableError
from common.files import FileStore
from common.jobs import Job, JobError
from common.pages import content_address, document_key
from common.queries import PlannedRow, QuerySpec, Row, RowStatus, pending_row, plan_key
from common.store import JobStore
from worker.bulk.extraction_plan import pages_missing, planned_rows
from worker.bulk.page_choice import PageBudget
from worker.bulk.row_requests import RowRequests
from worker.bulk.source import Ask, BulkItem, ItemEnd, OutputRecord, ScannedItem
from worker.retrieval.library import Library
from worker.settings import WorkerSettings

_DOCUMENTS_A_CALL = 500
_CANCELLED = frozenset({"cancelled", "batch_cancelled"})


class ExtractionSource:
    """The rows of one query; its plan is written once, so that whoever goes on asks the same."""

    def __init__(
        self, run: BulkRun, store: JobStore, files: FileStore, library: Library, settings: WorkerSettings
    ) -> None:
        self._run = run
        self._spec = QuerySpec.model_validate(run.spec)
        self._store = store
        self._files = files
        self._library = library
        self._settings = settings
        self._requests = RowRequests(library, self._spec.template, settings)

    def scan(self) -> Iterator[ScannedItem | LineError]:
        """Plan all rows; raises UnavailableError while documents are being read, for the first time or again."""
        if not self._files.exists(plan_key(self._run.id)):
            self._write_plan()
        for item in self.items(0, 0):
            yield ScannedItem(item.index, item.cursor, _twin_key(item.payload))

    def items(self, cursor: int, index: int) -> Iterator[BulkItem]:
        """Yield rows from the one at byte `cursor` of the plan."""
        with self._opened_plan() as plan:
            plan.seek(cursor)
            for line in plan:
                row = PlannedRow.model_validate_json(line)
                after = cursor + len(line)
                yield BulkItem(row.index, cursor, after, f"{row.document_id} {row.question_id}", row)
                cursor = after

    def request(self, item: BulkItem) -> Ask | JobError:
        """Return the question over its pages, or why its document cannot be asked."""
        row: PlannedRow = item.payload
        if row.error is not None:
            return JobError(code=row.error.code, message=row.error.message)
        if not row.pages:
            return JobError(code="no_pages", message=f"{row.document}: no page of it can be asked.")
        try:
            return Ask(self._requests.of(row))
        except KeyError:
            missing = pages_missing(row.document)
            return JobError(code=missing.code, message=missing.message)

    def record(self, item: OpenItem, end: ItemEnd) -> OutputRecord:
        """Return a row as one line of JSON."""
        row = answered_row(self._planned(item.cursor), end)
        return OutputRecord(row.model_dump_json().encode(), row.status is RowStatus.SUCCEEDED)

    def files(self, parts: Sequence[Part]) -> tuple[ResultFile, ...]:
        """Return nothing: rows are read through the query."""
        return ()

    def _opened_plan(self) -> Any:
        try:
            return self._files.open(plan_key(self._run.id))
        except FileNotFoundError as error:
            raise NotFoundError(f"The plan of query {self._run.id} is gone.") from error

    def _planned(self, cursor: int) -> PlannedRow:
        with self._opened_plan() as plan:
            plan.seek(cursor)
            return PlannedRow.model_validate_json(plan.readline())

    def _write_plan(self) -> None:
        documents = self._documents()
        self._check_read(documents)
        settings = self._settings
        budget = PageBudget(settings.extraction_page_tokens, settings.extraction_pages, settings.extraction_more_pages)
        with self._files.writing(plan_key(self._run.id)) as plan:
            for row in planned_rows(self._library, self._spec, documents, budget):
                plan.write(row.model_dump_json().encode() + b"\n")

    def _check_read(self, documents: Sequence[DocumentRecord]) -> None:
        waiting = sum(document.status in (DocumentStatus.PENDING, DocumentStatus.PARSING) for document in documents)
        if waiting:
            raise UnavailableError(f"{waiting} documents of query {self._run.id} are still being read.")
        without_pages = [document.id for document in documents if self._lacks_pages(document)]
        if without_pages:
            self._store.run(collection_operations.read_again(without_pages))
            raise UnavailableError(f"{len(without_pages)} documents of query {self._run.id} are read again.")

    def _lacks_pages(self, document: DocumentRecord) -> bool:
        """Tell whether a document's pages were lost, or read by another version of the parsers."""
        if document.status is not DocumentStatus.READY:
            return False
        return not self._files.exists(document_key(content_address(document.sha256)))

    def _documents(self) -> list[DocumentRecord]:
        found: list[DocumentRecord] = []
        while True:
            after = found[-1].id if found else None
            listed = self._store.run(
                collection_operations.list_documents(
                    self._spec.collection_id, self._run.caller, after, _DOCUMENTS_A_CALL
                )
            )
            if listed is None:
                raise NotFoundError(f"The collection {self._spec.collection_id} was deleted.")
            found.extend(listed)
            if len(listed) < _DOCUMENTS_A_CALL:
                return found


def answered_row(planned: PlannedRow, end: ItemEnd) -> Row:
    """Return what became of a planned row; pure."""
    row = pending_row(planned)
    job = end.job
    if end.error is not None or job is None or job.result is None:
        error = end.error or JobError(code="internal_error", message="The row has no answer.")
        row.status = RowStatus.CANCELLED if error.code in _CANCELLED else RowStatus.FAILED
        row.error = ItemError(code=error.code, message=error.message)
        return row
    row.status = RowStatus.SUCCEEDED
    row.text = job.result.text
    row.timings = job.result.timings.model_dump(mode="json")
    row.evidence = _evidence(planned, job)
    _add_answer(row, planned, job)
    return row


def _evidence(planned: PlannedRow, job: Job) -> dict[str, Any]:
    """Return which pages the answer was read from, which were asked in all, and what the prompt kept of them."""
    answer = job.result.answer if job.result else None
    prompts = answer.prompts if answer else ()
    known = {(page.document, page.page): page for page in (*planned.pages, *planned.more)}
    read = [
        [known[page.document, page.page or 0].model_dump(exclude={"sha256"}) for page in prompt.pages]
        for prompt in prompts
    ]
    first = [page.model_dump(exclude={"sha256"}) for page in planned.pages]
    standing = next((pages for pages, prompt in zip(read, prompts, strict=True) if prompt.stands), first)
    found = len(planned.pages) + planned.pages_dropped
    asked = {(page["document_id"], page["page"]) for pages in (first, *read) for page in pages}
    counts = answer.evidence if answer and answer.evidence else job.request.evidence
    return {
        "pages": standing,
        "pages_dropped": found - len(asked),
        "prompts": [
            {"pages": pages, "kind": prompt.kind, "verification": prompt.verification, "stands": prompt.stands}
            for pages, prompt in zip(read, prompts, strict=True)
        ],
        **(counts.model_dump() if counts else {}),
    }


def _add_answer(row: Row, planned: PlannedRow, job: Job) -> None:
    answer = job.result.answer if job.result else None
    if answer is None:
        return
    values = answer.model_dump(mode="json")
    row.kind, row.value, row.scale = values["kind"], values["value"], values["scale"]
    row.verification, row.confidence, row.program = values["verification"], values["confidence"], values["program"]
    row.operands, row.numbers = values["operands"], values["numbers"]
    ids = {(page.document, page.page): page.document_id for page in (*planned.pages, *planned.more)}
    sources = (source for prompt in job.request.prompts() for source in prompt.sources)
    texts = {(source.document, source.page): source.text for source in sources}
    row.citations = [
        {**citation, "document_id": ids.get((citation["document"], citation["page"]))}
        for citation in values["citations"]
        # What cannot be shown on its page is no citation.
        if citation["quote"] and citation["quote"] in texts.get((citation["document"], citation["page"]), "")
    ]


def _twin_key(row: PlannedRow) -> bytes | None:
    """Return what rows with the same prompt have in common."""
    if row.error is not None or not row.pages:
        return None
    pages = [(page.sha256, page.document, page.page) for page in (*row.pages, None, *row.more) if page]
    return hashlib.sha256(repr((row.question, row.question_id, pages)).encode()).digest()
