"""What is on its way on the page while someone looks at something else, or uses it."""

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.support.page_stub import BATCH, COLLECTION, PageStub


def refuse_uploads(route: Route) -> None:
    """Refuse every file."""
    route.fulfill(status=413, json={"code": "body_too_large", "detail": "The file is too large."})


def test_questions_and_uploads_stay_while_another_section_is_shown(page: Page, tmp_path: Path) -> None:
    """Given typed questions and refused files, when someone comes back, then both are there, folders in the names."""
    PageStub(page)
    page.route(f"**{COLLECTION}/documents", refuse_uploads)
    page.goto("/#/reports/col_1")
    for year in ("2022", "2023"):
        (tmp_path / year).mkdir()
        (tmp_path / year / "10-K.txt").write_text("Revenue was $120.5 million.")
        page.get_by_label("Folder", exact=True).set_input_files(tmp_path / year)
    uploads = page.get_by_role("list", name="Uploads")
    expect(uploads.get_by_role("button", name="Try again")).to_have_count(2)
    page.get_by_role("textbox", name="Questions").fill("What was revenue?")
    page.get_by_role("link", name="Batches").click()
    expect(page.get_by_role("textbox", name="Questions")).to_be_hidden()
    page.goto("/#/reports/col_1")
    expect(page.get_by_role("textbox", name="Questions")).to_have_value("What was revenue?")
    expect(uploads.get_by_role("button", name="Try again")).to_have_count(2)
    expect(uploads).to_contain_text("2022/10-K.txt")
    expect(uploads).to_contain_text("2023/10-K.txt")


def test_a_list_goes_on_while_it_is_used(page: Page) -> None:
    """Given a batch in a table that was clicked, when it goes on, then that shows, and a button keeps the focus."""
    stub = PageStub(page)
    stub.batch = batch_at(10)
    page.goto("/#/batches")
    line = page.get_by_role("row", name=re.compile("batch_1"))
    expect(line).to_contain_text("10 of 1,000 done")
    page.get_by_text("batch_1", exact=True).click()
    stub.batch = batch_at(500)
    expect(line).to_contain_text("500 of 1,000 done")
    cancel = page.get_by_role("button", name="Cancel batch_1")
    cancel.focus()
    stub.batch = batch_at(900)
    expect(line).to_contain_text("900 of 1,000 done")
    expect(cancel).to_be_focused()


def batch_at(completed: int) -> dict[str, object]:
    """A batch that is in progress."""
    return BATCH | {"status": "in_progress", "request_counts": {"total": 1000, "completed": completed, "failed": 0}}
