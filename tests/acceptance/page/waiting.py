"""Requests that a test holds back, and waits for what it has seen of them."""

import time
from collections.abc import Callable

from playwright.sync_api import Page, Route

PATIENCE_S = 20


def until(page: Page, condition: Callable[[], bool]) -> None:
    """Let the page go on until a condition holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        page.wait_for_timeout(50)


def held_back(page: Page, address: str, method: str = "POST") -> list[Route]:
    """Return a list that gathers the requests of one method to an address, for the test to answer."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == method:
            held.append(route)
        else:
            route.fallback()

    page.route(address, hold)
    return held
