"""Batches and report collections on the page, as a stubbed service tells of them."""

import re

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.support.page_stub import ATTACK, PageStub


def test_batches_are_listed_started_and_downloaded(page: Page) -> None:
    stub = PageStub(page)
    page.goto("/#/batches")
    row = page.get_by_role("row", name=re.compile("batch_1"))
    expect(row).to_contain_text("1,000 of 1,000 done, 2 failed")
    expect(row).to_contain_text("Completed")
    line = b'{"custom_id": "1"}\n'
    page.get_by_label("JSON lines of requests").set_input_files({"name": "in.jsonl", "mimeType": "", "buffer": line})
    page.get_by_role("button", name="Start batch").click()
    expect(page.get_by_role("button", name="Start batch")).to_be_enabled()
    assert ("POST", "/v1/batches") in [(method, path) for method, path, _ in stub.asked]
    assert any('"input_file_id":"file_in"' in body for _, _, body in stub.asked)


def test_reports_are_asked_and_every_answer_leads_to_its_page(page: Page) -> None:
    PageStub(page)
    page.goto("/#/reports")
    # Given a new collection with documents, one of which cannot be read
    page.get_by_label("Name of a new collection").fill("Retail")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=f"Retail {ATTACK}")).to_be_visible()
    report: FilePayload = {"name": "report.txt", "mimeType": "text/plain", "buffer": b"Revenue was $120.5 million."}
    page.get_by_label("Files", exact=True).set_input_files(report)
    documents = page.get_by_role("table", name="Documents")
    expect(documents.get_by_role("row", name=re.compile("scan"))).to_contain_text("Failed")
    expect(documents).to_contain_text("are pictures without text")
    # When questions are put to it
    page.get_by_role("textbox", name="Questions").fill("What was revenue?\n\n")
    page.get_by_role("button", name="Ask all").click()
    # Then every row is there with its check in words, and what is unverified is marked where it stands
    table = page.get_by_role("table", name="Answers")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_text("3 of 3 answers").first).to_be_visible()
    expect(table.locator("mark.unverified")).to_have_text("$7unverified")
    expect(table).to_contain_text("Verified")
    # And a citation opens the page with the quote marked, and gives the focus back
    opening = table.get_by_role("button", name="page 41").first
    opening.click()
    source = page.get_by_role("complementary")
    expect(source.get_by_role("heading")).to_be_focused()
    expect(source.locator("mark")).to_have_text(re.compile(r"Revenue\s+was \$120.5 million"))
    expect(source).to_contain_text(ATTACK)
    page.keyboard.press("Escape")
    expect(opening).to_be_focused()
    # And what was read, what was left out and where the time went is told on request
    for opener in table.get_by_text("What was read").all():
        opener.click()
    read = table.locator("details").first
    expect(table.locator("details").last).to_contain_text(f"Why unverified$7: no page {ATTACK} holds it")
    expect(read).to_contain_text("The model read 12 of 20 table rows, 4 of 4 sentences.")
    expect(read).to_contain_text("3 further pages looked fitting and were not read.")
    prompts = read.get_by_role("listitem").filter(has=page.locator(".badge"))
    expect(prompts).to_have_count(2)
    expect(prompts.first).to_contain_text("Not in the text")
    expect(prompts.last).to_contain_text("Verified answered from here")
    expect(read.get_by_role("img", name="Time: Queue 5 ms, Prefill 801 ms, Decode 200 ms")).to_be_visible()
    read.get_by_role("button", name="page 41").first.click()
    expect(source).to_contain_text(ATTACK)
    expect(source.locator("mark")).to_have_count(0)
    page.keyboard.press("Escape")
    # And rows can be found and sorted
    page.get_by_label("Show").select_option("failed")
    expect(table.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Show").select_option("all")
    table.get_by_role("button", name="Answer").click()
    expect(table.get_by_role("columnheader", name="Answer")).to_have_attribute("aria-sort", "ascending")
    expect(table.locator("tbody tr").first).to_contain_text("$99 million")
    # And the table can be kept
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "qry_1.csv"
    expect(page.get_by_role("alert").locator("visible=true")).to_have_count(0)
    # And a reload shows the same
    page.reload()
    expect(page.get_by_role("table", name="Answers").locator("tbody tr")).to_have_count(3)
    # And answers are sorted by how sure the model was, and kept where it was
    table.get_by_role("button", name="Confidence").click()
    expect(table.locator("tbody tr").nth(1)).to_contain_text("31%")
    expect(table.locator("tbody tr").nth(2)).to_contain_text("96%")
    page.get_by_label("Show", exact=True).select_option("Verified and 80% sure")
    expect(table.locator("tbody tr")).to_have_count(1)
    page.get_by_label("Show", exact=True).select_option("All answers")


@pytest.mark.parametrize(("section", "words"), [("reports", "report collections"), ("batches", "batches")])
def test_a_part_that_the_service_lacks_says_so(page: Page, section: str, words: str) -> None:
    missing = '{"code": "not_found", "detail": "Nothing is served at this address."}'
    for path in ("**/v1/collections**", "**/v1/batches**"):
        page.route(path, lambda route: route.fulfill(status=404, content_type="application/problem+json", body=missing))
    page.goto(f"/#/{section}")
    expect(page.get_by_text(f"This service does not offer {words}.")).to_be_visible()
