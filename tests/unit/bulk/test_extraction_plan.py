"""The rows of a query in the order they are asked."""

from typing import Any

from common.collections import DocumentRecord, ItemError
from common.queries import PlannedRow, QueryQuestion, QuerySpec, Scope
from tests.support.report_library import ReportLibrary, record
from worker.bulk.extraction_plan import planned_rows
from worker.bulk.page_choice import PageBudget

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
