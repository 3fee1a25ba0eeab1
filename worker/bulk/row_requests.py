"""What the model is asked for a planned row: its pages, how the question is put, and the pages to go on with."""

from collections.abc import Iterable

from common.evidence import Budget
from common.finance_answers import Source
from common.finance_requests import finance_request
from common.finance_tasks import Task, choose_task
from common.jobs import GenerateRequest, NextPrompt
from common.pages import content_address
from common.queries import PlannedPage, PlannedRow
from common.templates import TEMPLATES
from common.templates.columns import ColumnType
from worker.retrieval.library import DocumentMissingError, Entry, Library
from worker.settings import WorkerSettings


class RowRequests:
    """Makes requests of the rows of one query; pages come from the library."""

    def __init__(self, library: Library, template: str | None, settings: WorkerSettings) -> None:
        self._library = library
        self._columns = TEMPLATES.get(template or "", ())
        self._settings = settings

    def of(self, row: PlannedRow) -> GenerateRequest:
        """Return the question over its pages; raises KeyError where one of them is not kept any more."""
        task = self._task(row)
        first = self._over(row.question, row.pages, task)
        # Only an answer line says that nothing was found; free text and labels are answers of any page.
        further = row.more if task is Task.FIGURES else ()
        return first.model_copy(update={"more": tuple(self._next(row.question, page) for page in further)})

    def _next(self, question: str, page: PlannedPage) -> NextPrompt:
        request = self._over(question, [page], Task.FIGURES)
        return NextPrompt(messages=request.messages, sources=request.sources, evidence=request.evidence)

    def _over(self, question: str, pages: Iterable[PlannedPage], task: Task) -> GenerateRequest:
        settings = self._settings
        budget = Budget(
            table_tokens=settings.extraction_table_tokens,
            text_tokens=settings.extraction_sentence_tokens,
            page_tokens=settings.extraction_page_tokens,
        )
        longest = settings.extraction_text_tokens if task is Task.TEXT else settings.extraction_line_tokens
        return finance_request(question, [self._source(page) for page in pages], task, longest, budget)

    def _source(self, page: PlannedPage) -> Source:
        entry = Entry(content_address(page.sha256), page.document)
        document = self._library.document(entry)
        if page.page > len(document.pages):
            # The query was planned over pages that another version read.
            raise DocumentMissingError(entry)
        return Source(document=page.document, page=page.page, text=document.page(page.page).text)

    def _task(self, row: PlannedRow) -> Task:
        column = next((column for column in self._columns if column.name == row.question_id), None)
        if column is not None and column.type is ColumnType.LABEL:
            return Task.SENTIMENT
        if column is not None and column.type is ColumnType.TEXT:
            return Task.TEXT
        return choose_task(row.question, has_sources=True, has_instructions=False)
