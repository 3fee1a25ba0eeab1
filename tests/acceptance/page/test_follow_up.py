"""A question on the page that goes on from an answered one."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.page.asking import CONTEXT, QUESTION
from tests.support.page_stub import answered_job

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
