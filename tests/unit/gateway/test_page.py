"""The page's files: served with a strict policy, kept by browsers, free of anything from elsewhere."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.routes.page import page_files
from common import operations
from common.store import JobStore
from tests.support.values import WORKER, new_job
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

STATIC = Path(__file__).resolve().parents[3] / "api" / "static"


@pytest.mark.parametrize("path", ["/", "/docs", "/static/main.js", "/static/base.css", "/static/icon.svg"])
async def test_files_come_with_policy_and_tag(client: httpx.AsyncClient, path: str) -> None:
    """Given a file of the page, when asked again with its tag, then 304; a strict policy comes with it each time."""
    first = await client.get(path)
    assert first.status_code == 200
    again = await client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    for answer in (first, again):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_other_names_are_not_served(client: httpx.AsyncClient) -> None:
    """Given a name that is no file of the page, when asked, then 404, also outside the folder."""
    for name in ("nothing.js", "..%2fapp.py", "%2e%2e%2fapp.py", ""):
        problem(await client.get(f"/static/{name}"), 404, "not_found")


async def test_the_page_needs_no_key_but_its_data_does(
    make_app: Callable[..., FastAPI], make_client: MakeClient
) -> None:
    """Given keys, when the page is asked without one, then it comes, and the overview does not."""
    async with make_client(make_app(api_key_hashes="alice=" + "0" * 64)) as client:
        assert (await client.get("/")).status_code == 200
        problem(await client.get("/v1/overview"), 401, "unauthorized")


async def test_the_overview_shows_lanes_and_workers(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    """Given a waiting job and a worker, when the overview is read, then it shows both and the rate."""
    worker_store.run(operations.submit(new_job(), max_backlog_tokens=1_000_000, result_ttl_s=60))
    worker_store.run(operations.heartbeat(WORKER, 10_000, []))
    body = (await client.get("/v1/overview")).json()
    assert body["lanes"]["interactive"]["waiting"] == 1
    assert body["lanes"]["bulk"]["waiting"] == 0
    assert [worker["name"] for worker in body["workers"]] == ["w1"]
    assert body["tokens_per_second"] == 100.0


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    """Given the page's files, when read, then they name no other host, hold no inline code and never write markup."""
    for name in page_files():
        text = (STATIC / name).read_text("utf-8")
        addresses = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
        assert not addresses, (name, addresses)
        if name.endswith(".html"):
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", text), name
        if name.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), name


def test_every_file_that_is_named_exists() -> None:
    """Given imports and links of the page's files, when followed, then each leads to a file, and no file is unused."""
    named = {"index.html", "docs.html"}
    for name in page_files():
        text = (STATIC / name).read_text("utf-8")
        named |= set(re.findall(r"(?:/static/|from \"\./)([\w.-]+\.(?:js|css|svg))", text))
    assert named == set(page_files())
