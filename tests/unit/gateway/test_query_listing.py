"""The queries of a collection over HTTP: its own, all of them, page by page."""

from typing import Any

import httpx

from common.bulk import NewRun, RunKind, new_run_id
from common.queries import QueryQuestion, QuerySpec
from common.run_operations import create_run
from common.store import JobStore
from tests.unit.gateway.problems import problem

QUESTIONS = (QueryQuestion(id="q1", text="Revenue?"),)


async def collection(client: httpx.AsyncClient) -> str:
    """Create a collection with a document and return its path."""
    path = f"/v1/collections/{(await client.post('/v1/collections', json={'name': 'Reports'})).json()['id']}"
    sent = await client.post(f"{path}/documents", files=[("file", ("a.txt", b"Revenue 5"))])
    assert sent.status_code == 202
    return path


async def asked(client: httpx.AsyncClient, path: str, number: int) -> list[str]:
    """Ask some queries and return their ids, newest first."""
    answers = [await client.post(f"{path}/queries", json={"questions": [f"Revenue {n}?"]}) for n in range(number)]
    return [answer.json()["id"] for answer in reversed(answers)]


async def listed(client: httpx.AsyncClient, path: str, **params: Any) -> tuple[list[str], bool]:
    """Return the ids of a page of queries, and whether more follow."""
    page = (await client.get(f"{path}/queries", params=params)).json()
    assert page["last_id"] == (page["data"][-1]["id"] if page["data"] else None)
    return [query["id"] for query in page["data"]], page["has_more"]


def asked_before(store: JobStore, path: str, caller: str, number: int) -> list[str]:
    """Keep queries as earlier versions did, in the list of their caller alone; returns their ids, newest first."""
    spec = QuerySpec(collection_id=path.rpartition("/")[2], questions=QUESTIONS).model_dump_json()
    ids = [new_run_id(RunKind.EXTRACTION) for _ in range(number)]
    with store.client.pipeline() as pipe:
        for run_id in ids:
            record = {
                "id": run_id, "kind": "extraction", "caller": caller, "status": "validating", "spec": spec,
                "created_at_ms": 1, "fencing_token": 0,
            }  # fmt: skip
            pipe.hset(store.keys.run(run_id), mapping=record)
            pipe.zadd(f"{store.keys.root}runs:extraction:{caller}", {run_id: 0})
        pipe.execute()
    return ids[::-1]


def caller_of(store: JobStore, path: str) -> str:
    """Return whose collection it is."""
    caller: Any = store.client.hget(f"{store.keys.root}collection:{path.rpartition('/')[2]}", "caller")
    return str(caller)


async def test_a_collections_queries_come_page_by_page(client: httpx.AsyncClient) -> None:
    """Given two collections with queries, when one is listed, then its own come, newest first, in pages that go on."""
    mine, other = await collection(client), await collection(client)
    first = await asked(client, mine, 2)
    await asked(client, other, 2)
    ids = [*await asked(client, mine, 1), *first]
    assert await listed(client, mine) == (ids, False)
    assert await listed(client, mine, limit=2) == (ids[:2], True)
    assert await listed(client, mine, limit=2, after=ids[1]) == (ids[2:], False)


async def test_queries_older_than_many_others_are_listed(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    # Given queries of an earlier version, older than a thousand of another collection
    mine, other = await collection(client), await collection(client)
    caller = caller_of(worker_store, mine)
    old = asked_before(worker_store, mine, caller, 3)
    newer = asked_before(worker_store, other, caller, 1_001)
    # When collections are listed, then each has all of its own
    assert await listed(client, mine) == (old, False)
    assert await listed(client, other, limit=100, after=newer[-51]) == (newer[-50:], False)
    # And one asked now comes first
    ids = await asked(client, mine, 1)
    assert await listed(client, mine) == (ids + old, False)


async def test_queries_whose_records_are_gone_leave_no_gap(client: httpx.AsyncClient, worker_store: JobStore) -> None:
    # Given a collection of whose queries the record of one has expired
    path = await collection(client)
    ids = await asked(client, path, 4)
    worker_store.client.delete(worker_store.keys.run(ids[1]))
    # When it is listed, then the page is as long as was asked, and says whether more follow
    assert await listed(client, path, limit=2) == ([ids[0], ids[2]], True)
    assert await listed(client, path, limit=3) == ([ids[0], ids[2], ids[3]], False)


async def test_a_deleted_collection_leaves_no_list_and_takes_no_query(
    client: httpx.AsyncClient, worker_store: JobStore
) -> None:
    # Given a collection with queries, of this and of an earlier version
    path = await collection(client)
    await asked(client, path, 1)
    caller = caller_of(worker_store, path)
    asked_before(worker_store, path, caller, 1)
    # When it is deleted, and another one of the caller is listed
    await client.delete(path)
    problem(await client.get(f"{path}/queries"), 404, "not_found")
    assert await listed(client, await collection(client)) == ([], False)
    # And a query that was under way to it arrives
    late = NewRun(
        id=new_run_id(RunKind.EXTRACTION),
        kind=RunKind.EXTRACTION,
        caller=caller,
        spec={},
        collection_id=path.rpartition("/")[2],
    )
    assert worker_store.run(create_run(late)) is None
    # Then Redis has no list of it
    keys: Any = worker_store.client.keys(f"{worker_store.keys.root}collection_queries:*")
    assert keys == []
