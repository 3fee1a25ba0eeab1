"""The key dialog: it comes when it is wanted, takes what can be sent, and says what is the matter now."""

from playwright.sync_api import Page, expect

from tests.acceptance.page.asking import KEY, QUESTION, ask

POLLS_MS = 5_000


def test_not_now_stands_until_the_person_acts(bare: Page) -> None:
    """Given "Not now" on a page that looks again and again, then the dialog comes back with its button alone."""
    bare.goto("/#/batches")
    dialog = bare.get_by_role("dialog", name="API key")
    dialog.get_by_role("button", name="Not now").click()
    expect(bare.locator("#batches-problem")).to_be_visible()
    bare.wait_for_timeout(POLLS_MS)
    expect(dialog).to_be_hidden()
    # When the key is given after all, then the problem goes with the next look
    bare.get_by_role("button", name="API key").click()
    expect(dialog).to_contain_text("This service needs an API key")
    dialog.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Use key").click()
    expect(bare.get_by_role("heading", name="Worker worker-0")).to_be_visible()
    expect(bare.locator("#batches-problem")).to_be_hidden()


def test_a_key_that_no_header_carries_is_refused(bare: Page) -> None:
    """Given a key with a character pasted along, when it is used, then the dialog says so and keeps nothing."""
    bare.goto("/")
    bare.get_by_role("button", name="API key").click()
    dialog = bare.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key", exact=True).fill(f"{KEY}\u200b")
    dialog.get_by_role("button", name="Use key").click()
    expect(dialog).to_contain_text("a character that no header can carry")
    assert bare.evaluate("sessionStorage.getItem('financellm.key')") is None


def test_a_wrong_key_is_told_once(bare: Page) -> None:
    """Given a key that was refused, when the dialog is opened by its button, then it asks as at first."""
    bare.goto("/")
    bare.get_by_role("button", name="API key").click()
    dialog = bare.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Use key").click()
    ask(bare, QUESTION)
    expect(dialog).to_contain_text("does not know this key")
    dialog.get_by_role("button", name="Not now").click()
    bare.get_by_role("button", name="API key").click()
    expect(dialog).to_contain_text("This service needs an API key")
    expect(dialog).not_to_contain_text("does not know this key")
