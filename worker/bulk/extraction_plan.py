"""The rows of a query in the order they are asked: rows over the same pages follow each other."""

from collections.abc import Iterator, Mapping, Sequence

from common.collections import DocumentRecord, DocumentStatus, ItemError
from common.pages import content_address
from common.queries import PlannedPage, PlannedRow, QueryQuestion, QuerySpec, Scope
from worker.bulk.page_choice import PageBudget, choose_pages
from worker.retrieval.library import DocumentMissingError, Entry, Library
from worker.retrieval.search import Hit


def planned_rows(
    library: Library, spec: QuerySpec, documents: Sequence[DocumentRecord], budget: PageBudget
) -> Iterator[PlannedRow]:
    """Yield every row once, numbered from zero; a document that cannot be asked gives rows with its reason.

    Document text stands before the question in a prompt, so rows that use the same pages share all of it.
    """
    groups = _by_document(spec, documents) if spec.scope is Scope.DOCUMENTS else [(tuple(documents), spec.questions)]
    index = 0
    for group, questions in groups:
        wanted = [question for question in questions if _is_wanted(spec, group, question)]
        for row in _ordered(library, group, wanted, budget):
            yield row.model_copy(update={"index": index})
            index += 1


def pages_missing(document: str) -> ItemError:
    """Return the reason of a row over a document whose pages went after its query was planned."""
    # A retry is planned anew, and whatever has no pages is read again before.
    text = f"{document}: the pages that were chosen are not kept any more. Retry the failed rows."
    return ItemError(code="document_missing", message=text)


def _by_document(
    spec: QuerySpec, documents: Sequence[DocumentRecord]
) -> Iterator[tuple[tuple[DocumentRecord, ...], tuple[QueryQuestion, ...]]]:
    for document in documents:
        yield (document,), spec.questions


def _is_wanted(spec: QuerySpec, group: Sequence[DocumentRecord], question: QueryQuestion) -> bool:
    if spec.only is None:
        return True
    ids = {document.id for document in group}
    return any(document_id in ids and question.id == wanted for document_id, wanted in spec.only)


def _ordered(
    library: Library, group: Sequence[DocumentRecord], questions: Sequence[QueryQuestion], budget: PageBudget
) -> list[PlannedRow]:
    rows = [_row(library, group, question, budget) for question in questions]
    return sorted(rows, key=lambda row: [(page.document_id, page.page) for page in row.pages])


def _row(library: Library, group: Sequence[DocumentRecord], question: QueryQuestion, budget: PageBudget) -> PlannedRow:
    ready = [document for document in group if document.status is DocumentStatus.READY]
    first = (ready or list(group))[0]
    row = PlannedRow(
        index=0, document_id=first.id, document=first.name, question_id=question.id, question=question.text
    )
    if not ready:
        return row.model_copy(update={"error": first.error})
    known = {(content_address(document.sha256), document.name): document for document in ready}
    entries = [Entry(address, name) for address, name in known]
    try:
        chosen = choose_pages(library, question.text, entries, budget)
    except DocumentMissingError as error:
        missing = known[error.entry.address, error.entry.name]
        return row.model_copy(
            update={"document_id": missing.id, "document": missing.name, "error": pages_missing(missing.name)}
        )
    pages, more = _planned(chosen.hits, known), _planned(chosen.more, known)
    named = pages[0] if pages else None
    return row.model_copy(
        update={"pages": pages, "more": more, "pages_dropped": chosen.dropped}
        | ({"document_id": named.document_id, "document": named.document} if named else {})
    )


def _planned(hits: Sequence[Hit], known: Mapping[tuple[str, str], DocumentRecord]) -> tuple[PlannedPage, ...]:
    found = [(hit, known[hit.address, hit.document]) for hit in hits]
    return tuple(
        PlannedPage(document_id=document.id, document=document.name, sha256=document.sha256, page=hit.page)
        for hit, document in found
    )
