"""Which pages go into the first prompt of a row, and which are kept for a second chance."""

from collections.abc import Sequence

from tests.support.report_library import ReportLibrary, address
from worker.bulk.page_choice import ChosenPages, PageBudget, choose_pages
from worker.retrieval.library import Entry

QUESTION = "What was revenue?"
# Each digit is about a token.
SHORT, LONG, HUGE = "7 " * 100, "7 " * 400, "7 " * 900


def chosen(texts: Sequence[str], found: Sequence[int], more_pages: int = 2) -> ChosenPages:
    """The choice for a report of these pages, of which these are found, best first."""
    library = ReportLibrary({"a.txt": texts}, {QUESTION: [("a.txt", page) for page in found]})
    budget = PageBudget(page_tokens=750, selected_pages=2, more_pages=more_pages)
    return choose_pages(library, QUESTION, [Entry(address("a.txt"), "a.txt")], budget)


def pages(choice: ChosenPages) -> tuple[list[int], list[int], int]:
    """Page numbers of the first prompt and of the next ones, and how many the first leaves out."""
    return [hit.page for hit in choice.hits], [hit.page for hit in choice.more], choice.dropped


def test_pages_that_fit_together_are_asked_together_in_reading_order() -> None:
    """Given short pages, when chosen, then all are in one prompt and none is left for a second chance."""
    assert pages(chosen([SHORT] * 3, [3, 1, 2])) == ([1, 2, 3], [], 0)


def test_pages_beyond_the_budget_are_next() -> None:
    """Given pages of which one fits, when chosen, then the others follow one by one, best first and bounded."""
    assert pages(chosen([LONG] * 5, [4, 2, 5, 1, 3])) == ([4], [2, 5], 4)


def test_the_best_page_gets_a_prompt_of_its_own_where_it_shared_the_first() -> None:
    """Given a best page too large to be whole, when chosen, then rows of two are selected, and it comes again alone."""
    assert pages(chosen([HUGE] * 4, [3, 1, 4, 2])) == ([1, 3], [3, 4], 2)


def test_a_lone_page_is_not_asked_twice() -> None:
    """Given a report of one large page, when chosen, then nothing is left for a second chance."""
    assert pages(chosen([HUGE], [1])) == ([1], [], 0)


def test_no_second_chance_where_it_is_switched_off() -> None:
    """Given no further pages allowed, when chosen, then there are none."""
    assert pages(chosen([LONG] * 3, [1, 2, 3], more_pages=0)) == ([1], [], 2)


def test_a_question_that_finds_nothing_has_no_pages() -> None:
    assert pages(chosen([SHORT], [])) == ([], [], 0)
