"""The page in a browser, before processes with the fake engine that all of its tests share."""

import hashlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.page.asking import KEY
from tests.support.browser import Complaints, chromium_path, running_browser
from tests.support.stack import Stack

# The machine may be busy with other tests.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    chromium_path()
    env = {
        "FINANCELLM_FAKE_STEP_MS": "20",
        "FINANCELLM_FAKE_FAULTS": "true",
        "FINANCELLM_API_KEY_HASHES": f"alice={hashlib.sha256(KEY.encode()).hexdigest()}",
    }
    with Stack(tmp_path_factory.mktemp("page"), "fake", env=env, api_key=KEY) as running:
        yield running


@pytest.fixture(scope="package")
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
