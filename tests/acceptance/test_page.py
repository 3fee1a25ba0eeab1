"""The web page in a real browser, against real processes with the fake engine."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.support.browser import Complaints, chromium_path, running_browser
from tests.support.page_stub import ATTACK, PageStub, answered_job
from tests.support.stack import Stack

KEY = "correct-horse"
QUESTION = "By how much did revenue grow?"
CONTEXT = "Revenue was $120.5 million in 2023 and $100.0 million in 2022."
# The machine may be busy with other tests.
expect.set_options(timeout=20_000)
LONG = f"{QUESTION} <<long>>"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    chromium_path()
    env = {
        "FINANCELLM_FAKE_STEP_MS": "20",
        "FINANCELLM_FAKE_FAULTS": "true",
        "FINANCELLM_API_KEY_HASHES": f"alice={hashlib.sha256(KEY.encode()).hexdigest()}",
    }
    with Stack(tmp_path_factory.mktemp("page"), "fake", env=env, api_key=KEY) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def bare(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page of a person without a key; it must end without a complaint on the console."""
    context = browser.new_context(base_url=stack.url, color_scheme="light", viewport={"width": 1280, "height": 860})
    context.set_default_timeout(30_000)
    page = context.new_page()
    complaints = Complaints(page)
    yield page
    assert not complaints.texts
    assert page.evaluate("window.attacked") is None
    context.close()


@pytest.fixture
def page(bare: Page) -> Page:
    """A page of a person who gave the key already."""
    bare.add_init_script(f"sessionStorage.setItem('financellm.key', '{KEY}')")
    return bare


def ask(page: Page, question: str, context: str = "") -> None:
    page.get_by_label("Question").fill(question)
    page.get_by_label("Text to answer from").fill(context)
    page.get_by_role("button", name="Ask", exact=True).click()


def test_a_question_is_answered_live_with_its_timings(page: Page) -> None:
    # When a question is asked
    page.goto("/")
    ask(page, LONG, CONTEXT)
    # Then its text comes while it is written
    card = page.get_by_role("article", name=LONG)
    expect(card.get_by_text("Writing")).to_be_visible()
    first = card.locator(".answer").inner_text()
    expect(card.locator(".answer")).not_to_have_text(first)
    # And at its end every part of its time is told, in words too
    bar = card.get_by_role("img", name=re.compile(r"Time: Queue .+, Prefill .+, Decode .+ m?s"))
    expect(bar).to_be_visible()
    expect(card).to_contain_text("tokens/s")
    widths = [piece.bounding_box() for piece in bar.locator("span").all()]
    assert len(widths) == 3
    assert all(box is not None and box["width"] >= 3 for box in widths)
    # And a reload shows it again
    text = card.locator(".answer").inner_text()
    page.reload()
    expect(page.get_by_role("article", name=LONG).locator(".answer")).to_have_text(text)


LINE = "=120.5-100.0 | million"


@pytest.fixture
def following(page: Page) -> Page:
    """A page whose next question goes on from an answered one."""
    job_id = f"job_{'0' * 28}"
    entries = json.dumps([{"id": job_id, "question": QUESTION, "context": CONTEXT}])
    page.add_init_script(f"sessionStorage.setItem('financellm.asked', {json.dumps(entries)})")
    page.route(f"**/v1/jobs/{job_id}", lambda route: route.fulfill(json=answered_job(job_id, "20.5 million", LINE)))
    page.goto("/")
    page.get_by_role("article", name=QUESTION).get_by_role("button", name="Ask a follow-up").click()
    expect(page.get_by_text("Goes on from")).to_contain_text(QUESTION)
    return page


def sent_question(page: Page, question: str) -> Any:
    """Ask what the form holds and return the body that was sent."""
    page.get_by_label("Question").fill(question)
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_role("button", name="Ask", exact=True).click()
    return json.loads(sent.value.post_data or "")


def test_a_follow_up_takes_what_was_asked_along(following: Page) -> None:
    """Given an answered question, when another goes on from it, then its text, question and line are sent with it."""
    body = sent_question(following, "And in percent?")
    assert (body["question"], body["context"]) == ("And in percent?", CONTEXT)
    assert body["earlier"] == [{"question": QUESTION, "line": LINE}]
    expect(following.get_by_role("article", name="And in percent?")).to_contain_text(f"After “{QUESTION}”")
    expect(following.get_by_text("Goes on from")).to_be_hidden()


def test_a_question_about_other_text_begins_anew(following: Page) -> None:
    """Given a follow-up begun, when other text is given for it, then it is a question of its own."""
    following.get_by_label("Text to answer from").fill("Another page.")
    expect(following.get_by_text("Goes on from")).to_be_hidden()
    assert "earlier" not in sent_question(following, "What does it say?")


def test_a_running_question_can_be_cancelled(page: Page) -> None:
    page.goto("/")
    page.get_by_text("Options").click()
    page.get_by_label("Longest answer").fill("2000")
    ask(page, LONG)
    card = page.get_by_role("article", name=LONG)
    expect(card.get_by_text("Writing")).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    expect(card.get_by_text("Cancelled")).to_be_visible()


def test_a_cut_stream_is_resumed_where_it_ended(page: Page, stack: Stack) -> None:
    # Given a stream that the gateway's restart cuts in the middle of an answer
    page.goto("/")
    page.get_by_text("Options").click()
    page.get_by_label("Longest answer").fill("100")
    resumed: list[str] = []
    page.on("request", lambda request: resumed.extend(filter(None, [request.headers.get("last-event-id")])))
    ask(page, LONG, CONTEXT)
    card = page.get_by_role("article", name=LONG)
    expect(card.get_by_text("Writing")).to_be_visible()
    assert stack.api is not None
    stack.api.terminate()
    stack.api.wait()
    stack.start_api()
    # Then it goes on after the last event that was seen, and the answer is whole
    expect(card.get_by_role("img", name=re.compile("Time: "))).to_be_visible(timeout=60_000)
    assert resumed
    assert re.fullmatch(r"\d+-\d+", resumed[0])


def test_the_key_is_asked_for_and_stays_in_the_tab(bare: Page) -> None:
    # Given a service with keys, when a question is asked without one
    addresses: list[str] = []
    bare.on("request", lambda request: addresses.append(request.url))
    bare.goto("/")
    ask(bare, QUESTION)
    # Then the page asks, says when a key is wrong, and goes on with the right one
    dialog = bare.get_by_role("dialog", name="API key")
    field = dialog.get_by_label("Key", exact=True)
    expect(field).to_be_focused()
    field.fill("wrong")
    dialog.get_by_role("button", name="Use key").click()
    expect(dialog).to_contain_text("does not know this key")
    field.fill(KEY)
    field.press("Enter")
    expect(bare.get_by_role("article", name=QUESTION).get_by_role("img")).to_be_visible()
    # And it is in no address and in no lasting storage
    assert not [address for address in addresses if KEY in address]
    assert KEY not in bare.evaluate("JSON.stringify(localStorage) + document.cookie")


def test_asking_needs_no_mouse(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Question")).to_be_focused()
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.type(QUESTION)
    page.keyboard.press("Control+Enter")
    # Then the answer comes, and is announced
    expect(page.get_by_role("article", name=QUESTION).get_by_role("img")).to_be_visible()
    expect(page.locator("#announce")).to_contain_text("Answer: ")


def test_colours_follow_the_system_until_someone_chooses(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    page.goto("/")
    light = page.evaluate(background)
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_role("button", name="Change to light colours")).to_be_visible()
    dark = page.evaluate(background)
    assert sum(map(int, re.findall(r"\d+", light)[:3])) > 600
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 150
    page.get_by_role("button", name="Change to light colours").click()
    assert page.evaluate(background) == light
    page.reload()
    assert page.evaluate(background) == light


def test_every_control_has_a_name_and_the_page_its_landmarks(page: Page) -> None:
    PageStub(page)
    for section in ("ask", "reports", "batches"):
        page.goto(f"/#/{section}")
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("banner")).to_be_visible()
        expect(page.get_by_role("main")).to_be_visible()
        expect(page.get_by_role("navigation", name="Sections")).to_be_visible()
        nameless = page.evaluate(
            """[...document.querySelectorAll("button, a, input, textarea, select")]
               .filter((it) => !it.labels?.length && !it.ariaLabel && !it.textContent.trim()).map((it) => it.id)"""
        )
        assert not nameless
        assert page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map((it) => it.id)).size"
        ) == page.evaluate("document.querySelectorAll('[id]').length")


@pytest.mark.parametrize("width", [360, 820, 1500])
def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    PageStub(page)
    page.set_viewport_size({"width": width, "height": 800})
    for address in ("/#/ask", "/#/reports/col_1/qry_1", "/#/batches", "/docs"):
        page.goto(address)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_a_refusal_is_told_at_the_form(page: Page) -> None:
    page.goto("/")
    ask(page, QUESTION, "revenue " * 9_000)
    expect(page.get_by_role("alert").first).to_contain_text("tokens")
    expect(page.get_by_role("article")).to_have_count(0)


def test_queue_and_workers_are_shown(page: Page) -> None:
    page.goto("/#/batches")
    expect(page.get_by_role("status", name="Service")).to_contain_text("1 worker")
    expect(page.get_by_role("heading", name="Worker worker-0")).to_be_visible()
    expect(page.get_by_text("Interactive questions")).to_be_visible()


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
    stub = PageStub(page)
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
    # And the table can be kept, and what failed asked again
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "qry_1.csv"
    page.get_by_role("button", name="Retry failed").click()
    expect(page.get_by_role("alert").locator("visible=true")).to_have_count(0)
    assert ("POST", "/v1/collections/col_1/queries/qry_1/retry", "") in stub.asked
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


def test_the_api_is_described_without_anything_from_elsewhere(page: Page, stack: Stack) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(stack.url) else None)
    page.goto("/docs")
    route = page.get_by_role("article").filter(has_text="Submit a question")
    route.get_by_text("Parameters and answers").click()
    expect(route.get_by_text("question (required)")).to_be_visible()
    assert not elsewhere


def test_the_page_of_the_repository_is_small() -> None:
    picture = Path(__file__).resolve().parents[2] / "docs" / "images" / "page.png"
    assert picture.stat().st_size < 300_000
