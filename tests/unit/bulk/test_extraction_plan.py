"""The rows of a query in the order they are asked."""

from collections.abc import Sequence
from typing import Any

import pytest

from common.collections import DocumentRecord, ItemError
from common.queries import PlannedRow, QueryQuestion, QuerySpec, Scope
from tests.support.report_library import ReportLibrary, record
from worker.bulk.extraction_plan import planned_rows
from worker.bulk.page_choice import PageBudget
from worker.retrieval.library import DocumentMissingError, Entry
from worker.retrieval.search import Hit, SearchOptions

LONG = "7 " * 400
LIBRARY = ReportLibrary(
    {"a.txt": [LONG] * 3, "b.txt": [LONG] * 3},
    {
        "revenue": [("b.txt", 2), ("a.txt", 2), ("a.txt", 3), ("b.txt", 1)],
        "cash": [("a.txt", 3), ("b.txt", 1)],
        "profit": [("a.txt", 2), ("b.txt", 2)],
    },
)
QUESTIONS = tuple(QueryQuestion(id=name, text=name) for name in ("revenue", "cash", "profit"))
BROKEN = ItemError(code="document_damaged", message="c.pdf is cut off.")


def planned(*documents: DocumentRecord, **spec: Any) -> list[PlannedRow]:
    """The plan of a query over these documents."""
    wanted = QuerySpec(**({"collection_id": "col", "questions": QUESTIONS} | spec))
    return list(planned_rows(LIBRARY, wanted, documents, PageBudget(750, 2, 1)))


def test_rows_over_the_same_page_follow_each_other() -> None:
    """Given questions of which two share a page, when planned, then these are neighbours, document by document."""
    rows = planned(record("a.txt"), record("b.txt"))
    assert [row.index for row in rows] == list(range(6))
    assert [(row.document, row.question_id, row.pages[0].page) for row in rows] == [
        ("a.txt", "revenue", 2),
        ("a.txt", "profit", 2),
        ("a.txt", "cash", 3),
        ("b.txt", "cash", 1),
        ("b.txt", "revenue", 2),
        ("b.txt", "profit", 2),
    ]


def test_a_row_keeps_the_next_best_page() -> None:
    """Given a question that finds two pages, when planned, then the second is kept for a second chance."""
    row = planned(record("a.txt"), questions=QUESTIONS[:1])[0]
    assert ([page.page for page in row.pages], [page.page for page in row.more], row.pages_dropped) == ([2], [3], 1)
    assert row.more[0].document_id == "doc_a.txt"


def test_a_document_that_cannot_be_asked_has_every_row_with_its_reason() -> None:
    """Given a broken document, when planned, then each question has a row that says why and names no page."""
    rows = planned(record("c.pdf", BROKEN))
    assert [(row.question_id, row.error, row.pages) for row in rows] == [
        (question.id, BROKEN, ()) for question in QUESTIONS
    ]


def test_only_the_wanted_rows_are_planned() -> None:
    """Given pairs of document and question, when planned, then there are just these, numbered from zero."""
    rows = planned(record("a.txt"), record("b.txt"), only=(("doc_a.txt", "cash"), ("doc_b.txt", "profit")))
    assert [(row.index, row.document, row.question_id) for row in rows] == [
        (0, "a.txt", "cash"),
        (1, "b.txt", "profit"),
    ]


def test_a_question_to_all_documents_is_one_row_about_the_page_found() -> None:
    """Given a question to the collection, when planned, then its row names the document of the best page."""
    rows = planned(record("a.txt"), record("b.txt"), record("c.pdf", BROKEN), scope=Scope.COLLECTION)
    found = {row.question_id: (row.document, row.pages[0].page) for row in rows}
    assert found == {"revenue": ("b.txt", 2), "cash": ("a.txt", 3), "profit": ("a.txt", 2)}


class GappyLibrary(ReportLibrary):
    """Has nothing of the report `gone.txt`, though its collection lists it as ready."""

    def search(self, question: str, entries: Sequence[Entry], options: SearchOptions | None = None) -> list[Hit]:
        for entry in entries:
            if entry.name == "gone.txt":
                raise DocumentMissingError(entry)
        return super().search(question, entries, options)


@pytest.mark.parametrize("scope", Scope)
def test_a_document_whose_pages_are_gone_fails_its_rows_only(scope: Scope) -> None:
    """Given a ready document without pages, when planned, then rows that need it say so, others are asked."""
    library = GappyLibrary({"a.txt": [LONG] * 3}, {"cash": [("a.txt", 3)]})
    spec = QuerySpec(collection_id="col", questions=QUESTIONS[1:2], scope=scope)
    documents = [record("a.txt"), record("gone.txt")]
    *asked, missing = planned_rows(library, spec, documents, PageBudget(750, 2, 1))
    assert [row.document for row in asked] == (["a.txt"] if scope is Scope.DOCUMENTS else [])
    assert (missing.document_id, missing.document, missing.pages) == ("doc_gone.txt", "gone.txt", ())
    assert missing.error is not None
    assert missing.error.code == "document_missing"
    assert missing.error.message == "gone.txt: the pages that were chosen are not kept any more. Retry the failed rows."
