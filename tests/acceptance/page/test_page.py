"""The web page in a real browser, against real processes with the fake engine."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.page.asking import CONTEXT, KEY, QUESTION, ask
from tests.support.page_stub import PageStub
from tests.support.stack import Stack

LONG = f"{QUESTION} <<long>>"


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


def test_the_api_is_described_without_anything_from_elsewhere(page: Page, stack: Stack) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(stack.url) else None)
    page.goto("/docs")
    route = page.get_by_role("article").filter(has_text="Submit a question")
    route.get_by_text("Parameters and answers").click()
    expect(route.get_by_text("question (required)")).to_be_visible()
    assert not elsewhere


def test_the_page_of_the_repository_is_small() -> None:
    picture = Path(__file__).resolve().parents[3] / "docs" / "images" / "page.png"
    assert picture.stat().st_size < 300_000
