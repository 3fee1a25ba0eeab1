"""What is pressed twice is sent once."""

from playwright.sync_api import Locator, Page, expect

from tests.acceptance.page.asking import QUESTION
from tests.acceptance.page.waiting import held_back, until
from tests.support.page_stub import ATTACK, COLLECTION, PageStub, answered_job


def press_twice(button: Locator) -> None:
    """Press a button, and once more before its answer."""
    button.click()
    expect(button).to_be_disabled()
    button.click(force=True)


def test_holding_the_keys_asks_once(page: Page) -> None:
    """Given a question, when Ctrl+Enter is held and pressed again before the answer, then one job is asked for."""
    held = held_back(page, "**/v1/jobs")
    page.goto("/")
    page.get_by_label("Question").fill(QUESTION)
    page.get_by_label("Question").focus()
    page.keyboard.down("Control")
    for _ in range(3):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.keyboard.press("Enter")
    until(page, lambda: bool(held))
    page.keyboard.down("Enter")
    held[0].fulfill(status=202, json=answered_job(f"job_{'0' * 28}", "20.5 million", "=120.5-100.0 | million"))
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_enabled()
    page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    page.keyboard.up("Control")
    page.wait_for_timeout(500)
    assert len(held) == 1
    expect(page.get_by_role("article")).to_have_count(1)


def test_ask_all_starts_one_run(page: Page) -> None:
    """Given questions for a collection, when "Ask all" is pressed twice, then one run is started."""
    PageStub(page)
    held = held_back(page, f"**{COLLECTION}/queries")
    page.goto("/#/reports/col_1")
    page.get_by_role("textbox", name="Questions").fill("What was revenue?")
    press_twice(page.get_by_role("button", name="Ask all"))
    until(page, lambda: bool(held))
    page.wait_for_timeout(500)
    assert len(held) == 1
    held[0].fallback()
    expect(page.get_by_role("table", name="Answers")).to_be_visible()


def test_create_makes_one_collection(page: Page) -> None:
    """Given a name, when "Create" is pressed twice, then one collection is made."""
    PageStub(page)
    held = held_back(page, "**/v1/collections")
    page.goto("/#/reports")
    page.get_by_label("Name of a new collection").fill("Retail")
    press_twice(page.get_by_role("button", name="Create"))
    until(page, lambda: bool(held))
    page.wait_for_timeout(500)
    assert len(held) == 1
    held[0].fallback()
    expect(page.get_by_role("heading", name=f"Retail {ATTACK}")).to_be_visible()
