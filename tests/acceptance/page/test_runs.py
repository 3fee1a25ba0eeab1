"""Runs of questions on the page: asked again, sorted, refused in words that help."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.acceptance.page.waiting import held_back, until
from tests.support.page_stub import COLLECTION, QUERY, PageStub, row

AMOUNTS = [
    row(0, "a.pdf", text="$1.2 billion", value="1.2", scale="billion", confidence=0.99996),
    row(1, "b.pdf", text="$950 million", value="950", scale="million", confidence=0.5),
    row(2, "c.pdf", text="$870,000 thousand", value="870000", scale="thousand", confidence=0.5),
    row(3, "d.pdf", text="0.67", value="2/3", scale="none", confidence=0.5),
]
TOO_LONG = {
    "detail": "2 fields are not valid.",
    "errors": [
        {"field": "questions.0", "reason": "at most 2000 characters"},
        {"field": "questions.0.id", "reason": "is missing"},
    ],
}


def test_a_retry_leads_to_its_own_run(page: Page) -> None:
    """Given a run with a failed row, when its retry is pressed twice, then one new run is made and shown."""
    stub = PageStub(page)
    held = held_back(page, f"**{QUERY}/retry")
    page.goto("/#/reports/col_1/qry_1")
    button = page.get_by_role("button", name="Retry failed")
    button.click()
    button.click()
    until(page, lambda: bool(held))
    page.wait_for_timeout(500)
    assert len(held) == 1
    held[0].fallback()
    expect(page).to_have_url(re.compile(r"#/reports/col_1/qry_2$"))
    table = page.get_by_role("table", name="Answers")
    expect(table.locator("tbody tr")).to_have_count(1)
    expect(table).to_contain_text("$80 million")
    expect(page.locator("a[aria-current=true]")).to_have_attribute("href", "#/reports/col_1/qry_2")
    expect(page.get_by_role("button", name="Retry failed")).to_have_count(0)
    assert stub.asked.count(("POST", f"{QUERY}/retry", "")) == 1


def test_amounts_are_sorted_by_what_they_are_worth(page: Page) -> None:
    """Given answers in several scales, when sorted, then a million is less than a billion and a fraction a number."""
    PageStub(page, AMOUNTS)
    page.goto("/#/reports/col_1/qry_1")
    table = page.get_by_role("table", name="Answers")
    expect(table.locator("tbody tr")).to_have_count(4)
    table.get_by_role("button", name="Answer").click()
    ascending = ["0.67", "$870,000 thousand", "$950 million", "$1.2 billion"]
    expect(table.locator(".answer-cell")).to_contain_text(ascending)
    table.get_by_role("button", name="Answer").click()
    expect(table.locator(".answer-cell")).to_contain_text(ascending[::-1])
    # And nothing is 100% sure
    expect(table.get_by_role("row", name=re.compile("a.pdf"))).to_contain_text("99%")


@pytest.mark.parametrize(
    ("status", "problem", "words"),
    [
        (422, TOO_LONG, "questions.0: at most 2000 characters questions.0.id: is missing"),
        (404, {"detail": "You have no collection 'col_1'."}, "You have no collection"),
    ],
)
def test_refused_questions_are_told_why(page: Page, status: int, problem: dict[str, Any], words: str) -> None:
    """Given questions that the service refuses, when asked, then its own words are shown."""
    PageStub(page)

    def refuse(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(status=status, json=problem)
        else:
            route.fallback()

    page.route(f"**{COLLECTION}/queries", refuse)
    page.goto("/#/reports/col_1")
    page.get_by_role("textbox", name="Questions").fill("What was revenue?")
    page.get_by_role("button", name="Ask all").click()
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
