"""Answers that fail or come late: the page asks again, and shows what was asked for last."""

import re

from playwright.sync_api import Page, Route, expect

from tests.acceptance.page.jobs import ANSWER, JobsStub
from tests.acceptance.page.waiting import held_back, until
from tests.support.page_stub import ATTACK, COLLECTION, DOCUMENTS, QUERY, PageStub, row

AWAY = {"code": "unavailable", "detail": "A part of the service is away."}


def unavailable(route: Route) -> None:
    """Answer that a part of the service is away."""
    route.fulfill(status=503, json=AWAY)


def test_a_problem_goes_when_the_next_look_succeeds(page: Page) -> None:
    """Given a look that failed, when the next one succeeds, then its problem is shown no more."""
    PageStub(page)
    page.route("**/v1/batches**", unavailable, times=1)
    page.goto("/#/batches")
    expect(page.locator("#batches-problem")).to_have_text(AWAY["detail"])
    expect(page.get_by_role("row", name=re.compile("batch_1"))).to_be_visible()
    expect(page.locator("#batches-problem")).to_be_hidden()


def test_a_card_asks_again_until_it_has_its_answer(page: Page) -> None:
    """Given a service that is away, when the page is loaded again, then the card tells, and shows its answer later."""
    JobsStub(page, 1, "succeeded")
    page.route("**/v1/jobs/*", unavailable, times=2)
    page.goto("/")
    card = page.get_by_role("article")
    expect(card).to_contain_text(ANSWER)
    expect(card.get_by_text(AWAY["detail"])).to_have_count(0)


def test_a_run_asks_again_until_it_has_its_rows(page: Page) -> None:
    """Given a service that is away for some looks, when a run is shown, then its rows come all the same."""
    PageStub(page)
    page.route(f"**{QUERY}", unavailable, times=1)
    page.route(f"**{QUERY}/rows**", unavailable, times=1)
    page.goto("/#/reports/col_1/qry_1")
    expect(page.get_by_role("table", name="Answers").locator("tbody tr")).to_have_count(3)
    expect(page.get_by_text("3 of 3 answers").first).to_be_visible()
    expect(page.get_by_role("alert").locator("visible=true")).to_have_count(0)


def test_the_page_pressed_last_is_the_one_shown(page: Page) -> None:
    """Given a page whose text comes slowly, when another is opened, then the slow one does not replace it."""
    name = DOCUMENTS[0]["name"]
    places = [{"document": name, "page": number, "quote": ""} for number in (41, 7)]
    PageStub(page, [row(0, name, citations=places)])
    held = held_back(page, f"**{COLLECTION}/documents/doc_1/pages/41", "GET")
    page.goto("/#/reports/col_1/qry_1")
    table = page.get_by_role("table", name="Answers")
    table.get_by_role("button", name="page 41").press("Enter")
    until(page, lambda: bool(held))
    table.get_by_role("button", name="page 7").press("Enter")
    source = page.get_by_role("complementary")
    expect(source).to_contain_text("Risk factors")
    held[0].fallback()
    page.wait_for_timeout(500)
    expect(source.get_by_role("heading")).to_contain_text("page 7 of 112")
    expect(source.locator("pre")).to_have_text("Risk factors")


def test_a_collection_that_fails_late_hides_no_other(page: Page) -> None:
    """Given a collection that is slow, when another is opened and the first one fails, then the other stays."""
    PageStub(page)
    held = held_back(page, "**/v1/collections/col_2", "GET")
    page.goto("/#/reports/col_2")
    until(page, lambda: bool(held))
    page.goto("/#/reports/col_1")
    heading = page.get_by_role("heading", name=f"Retail {ATTACK}")
    expect(heading).to_be_visible()
    held[0].fulfill(status=404, json={"code": "not_found", "detail": "You have no such collection."})
    page.wait_for_timeout(500)
    expect(heading).to_be_visible()
    expect(page.get_by_role("alert").locator("visible=true")).to_have_count(0)
