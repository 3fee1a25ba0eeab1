"""No caller sees, changes or learns of what belongs to another, on every route there is."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.support.routes import every_route
from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.test_auth import ALICE, BOB, HASHES, bearer

Body = dict[str, Any]
_HEX = re.compile(r"[0-9a-f]{16,}$")

FORM: Body = {"files": {"file": ("a.txt", b"Revenue 5")}}
QUERY: Body = {"json": {"questions": ["What was revenue?"]}}
# Routes that name an object, with the body that each needs.
OBJECTS: dict[tuple[str, str], Body] = {
    ("GET", "/v1/jobs/{job_id}"): {},
    ("GET", "/v1/jobs/{job_id}/events"): {},
    ("POST", "/v1/jobs/{job_id}/cancel"): {},
    ("GET", "/v1/files/{file_id}"): {},
    ("GET", "/v1/files/{file_id}/content"): {},
    ("DELETE", "/v1/files/{file_id}"): {},
    ("GET", "/v1/batches/{batch_id}"): {},
    ("POST", "/v1/batches/{batch_id}/cancel"): {},
    ("GET", "/v1/collections/{collection_id}"): {},
    ("DELETE", "/v1/collections/{collection_id}"): {},
    ("POST", "/v1/collections/{collection_id}/documents"): FORM,
    ("GET", "/v1/collections/{collection_id}/documents"): {},
    ("GET", "/v1/collections/{collection_id}/documents/{document_id}"): {},
    ("DELETE", "/v1/collections/{collection_id}/documents/{document_id}"): {},
    ("GET", "/v1/collections/{collection_id}/documents/{document_id}/pages/{number}"): {},
    ("POST", "/v1/collections/{collection_id}/queries"): QUERY,
    ("GET", "/v1/collections/{collection_id}/queries"): {},
    ("GET", "/v1/collections/{collection_id}/queries/{query_id}"): {},
    ("GET", "/v1/collections/{collection_id}/queries/{query_id}/rows"): {},
    ("GET", "/v1/collections/{collection_id}/queries/{query_id}/export"): {},
    ("GET", "/v1/collections/{collection_id}/queries/{query_id}/events"): {},
    ("POST", "/v1/collections/{collection_id}/queries/{query_id}/cancel"): {},
    ("POST", "/v1/collections/{collection_id}/queries/{query_id}/retry"): {},
}
# Routes that list a caller's objects, with the name of their id.
LISTS = {
    "/v1/jobs": "job_id",
    "/v1/files": "file_id",
    "/v1/batches": "batch_id",
    "/v1/collections": "collection_id",
}
# What they make belongs to the caller; the tests below hold that nothing of another is used for it.
CREATIONS = {
    ("POST", path)
    for path in ("/v1/jobs", "/v1/files", "/v1/batches", "/v1/collections", "/v1/chat/completions")
}  # fmt: skip
# The same for every caller: they tell of the service, not of what anybody asked.
SHARED = {
    ("GET", path)
    for path in (
        "/v1/models", "/v1/models/{model:path}", "/v1/overview", "/metrics", "/livez", "/readyz", "/openapi.json", "/",
        "/docs", "/static/{name}",
    )
}  # fmt: skip


class Owned:
    """What Alice has: one of each kind, by the name that paths give it."""

    def __init__(self, ids: dict[str, str]) -> None:
        self.ids = ids
        # Ids of the same form that were never given.
        self.never = {name: _HEX.sub(lambda found: "0" * len(found[0]), own) for name, own in ids.items()}

    def path(self, template: str, ids: dict[str, str]) -> str:
        """Return a route's path with these ids."""
        return template.format(**ids, number="1")


@pytest.fixture
async def guarded(make_client: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with two callers, where chats are not waited for."""
    async with make_client(api_key_hashes=HASHES, chat_wait_s=0.05) as client:
        yield client


@pytest.fixture
async def owned(guarded: httpx.AsyncClient) -> Owned:
    """Alice's objects."""
    return await make_objects(guarded, ALICE)


async def make_objects(client: httpx.AsyncClient, key: str) -> Owned:
    """Create one object of each kind."""

    async def create(path: str, **body: Any) -> str:
        response = await client.post(path, headers=bearer(key), **body)
        assert response.is_success, response.text
        found = response.json()
        return str(found["data"][0]["id"] if "data" in found else found["id"])

    file = await create("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", b"{}")})
    batch = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    collection = await create("/v1/collections", json={"name": "Reports"})
    ids = {
        "job_id": await create("/v1/jobs", json={"question": "q"}),
        "file_id": file,
        "batch_id": await create("/v1/batches", json=batch),
        "collection_id": collection,
        "document_id": await create(f"/v1/collections/{collection}/documents", **FORM),
        "query_id": await create(f"/v1/collections/{collection}/queries", **QUERY),
    }
    return Owned(ids)


def test_every_route_has_its_case(make_app: Callable[..., FastAPI]) -> None:
    """Given all routes, when compared with the cases here, then none is missing and none is made up."""
    assert every_route(make_app()) == {*OBJECTS, *(("GET", path) for path in LISTS), *CREATIONS, *SHARED}


async def test_objects_of_others_look_like_none(guarded: httpx.AsyncClient, owned: Owned) -> None:
    """Given Alice's objects, when Bob tries every route of them, then each answers as for an id never given."""
    assert not set(owned.ids.values()) & set(owned.never.values())
    for (method, template), body in OBJECTS.items():
        hers = await guarded.request(method, owned.path(template, owned.ids), headers=bearer(BOB), **body)
        none = await guarded.request(method, owned.path(template, owned.never), headers=bearer(BOB), **body)
        assert hers.status_code == 404, (method, template, hers.text)
        assert hers.json()["code"] == "not_found"
        said = hers.text
        for name, own in owned.ids.items():
            said = said.replace(own, owned.never[name])
        assert said == none.text, (method, template)


async def test_her_objects_are_as_they_were(guarded: httpx.AsyncClient, owned: Owned) -> None:
    """Given that Bob tried every route, when Alice looks, then nothing of hers was changed."""
    reads = [template for method, template in OBJECTS if method == "GET" and template.endswith("_id}")]
    paths = [owned.path(template, owned.ids) for template in reads]
    before = [(await guarded.get(path, headers=bearer(ALICE))).json() for path in paths]
    for (method, template), body in OBJECTS.items():
        await guarded.request(method, owned.path(template, owned.ids), headers=bearer(BOB), **body)
    after = [await guarded.get(path, headers=bearer(ALICE)) for path in paths]
    assert len(paths) == 6
    assert [response.status_code for response in after] == [200] * 6
    for was, now in zip(before, after, strict=True):
        assert {name: was.get(name) for name in ("id", "status", "documents", "bytes")} == {
            name: now.json().get(name) for name in ("id", "status", "documents", "bytes")
        }


async def test_a_collection_of_ones_own_is_no_way_to_anothers_documents(
    guarded: httpx.AsyncClient, owned: Owned
) -> None:
    """Given a collection of Bob's, when he names Alice's document or query in it, then there is none."""
    mixed = owned.ids | {"collection_id": (await make_objects(guarded, BOB)).ids["collection_id"]}
    for (method, template), body in OBJECTS.items():
        if "{document_id}" in template or "{query_id}" in template:
            response = await guarded.request(method, owned.path(template, mixed), headers=bearer(BOB), **body)
            assert response.status_code == 404, (method, template, response.text)


async def test_lists_hold_only_ones_own(guarded: httpx.AsyncClient, owned: Owned) -> None:
    """Given Alice's objects, when Bob lists, also with her ids as cursors, then nothing of hers is there."""
    for path, name in LISTS.items():
        assert (await guarded.get(path, headers=bearer(ALICE))).json()["data"]
        for query in ("", f"?after={owned.ids[name]}", "?limit=100"):
            response = await guarded.get(path + query, headers=bearer(BOB))
            assert response.json()["data"] == [], (path, query)


async def test_a_batch_over_anothers_file_is_refused_as_over_none(guarded: httpx.AsyncClient, owned: Owned) -> None:
    """Given Alice's file, when Bob makes a batch of it, then the refusal is that of an unknown file."""
    answers = []
    for file_id in (owned.ids["file_id"], owned.never["file_id"]):
        batch = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        answers.append(await guarded.post("/v1/batches", json=batch, headers=bearer(BOB)))
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].text.replace(owned.ids["file_id"], owned.never["file_id"]) == answers[1].text


async def test_idempotency_keys_of_chats_belong_to_a_caller(guarded: httpx.AsyncClient) -> None:
    """Given the same chat and key from two callers, when both ask, then each has a job of its own."""
    chat = {"model": "financellm", "messages": [{"role": "user", "content": "q"}]}
    ids = set()
    for key in (ALICE, BOB):
        headers = bearer(key) | {"Idempotency-Key": '"k"'}
        await guarded.post("/v1/chat/completions", json=chat, headers=headers)
        jobs = (await guarded.get("/v1/jobs", headers=bearer(key))).json()["data"]
        assert len(jobs) == 1
        ids.add(jobs[0]["id"])
    assert len(ids) == 2


async def test_what_is_shared_names_no_caller(guarded: httpx.AsyncClient, owned: Owned) -> None:
    """Given Alice's objects, when Bob reads what is the same for all, then neither her name nor an id is in it."""
    for _, template in sorted(SHARED):
        path = template.replace("{model:path}", "financellm").replace("{name}", "main.js")
        text = (await guarded.get(path, headers=bearer(BOB))).text
        assert "alice" not in text, path
        assert not [own for own in owned.ids.values() if own in text], path
