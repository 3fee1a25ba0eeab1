"""POST /v1/jobs: bodies and fields that are refused, and in which words."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.unit.gateway.conftest import MakeClient
from tests.unit.gateway.problems import problem

QUESTION = {"question": "What was revenue?"}
TURN = {"question": "What were sales?", "line": "5 | million"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"question": ""}, "question"),
        ({"question": " \n"}, "question"),
        ({"question": 5}, "question"),
        ({"question": None}, "question"),
        ({"question": ["x"]}, "question"),
        ({"context": 5}, "context"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 5.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "0"}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"seed": -1}, "seed"),
        ({"stop": "x"}, "stop"),
        ({"stop": ["x"] * 5}, "stop"),
        ({"stop": [""]}, "stop.0"),
        ({"priority": 10}, "priority"),
        ({"lane": "fast"}, "lane"),
        ({"lane": 1}, "lane"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"deadline_s": -5}, "deadline_s"),
        ({"deadline_s": 1e300}, "deadline_s"),
        ({"webhook": ""}, "webhook"),
        ({"webhook": 1}, "webhook"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ({"metadata": {"x" * 65: "x"}}, "metadata." + "x" * 65 + ".[key]"),
        ({"metadata": {"x": "x" * 513}}, "metadata.x"),
        ({"metadata": {"x": 1}}, "metadata.x"),
        ({"metadata": []}, "metadata"),
        ({"task": "poem"}, "task"),
        ({"task": None}, "task"),
        ({"task": "figures"}, "context"),
        ({"task": "figures", "context": "x", "system": "Be brief."}, "system"),
        ({"task": "sentiment", "system": "Be brief."}, "system"),
        ({"earlier": [TURN]}, "earlier"),
        ({"earlier": [TURN], "context": "x", "system": "Be brief."}, "earlier"),
        ({"earlier": [TURN], "context": "x", "task": "text"}, "earlier"),
        ({"earlier": [TURN] * 9, "context": "x"}, "earlier"),
        ({"earlier": [TURN, TURN | {"line": "about five"}], "context": "x"}, "earlier.1.line"),
        ({"earlier": [TURN | {"question": " "}], "context": "x"}, "earlier.0.question"),
        ({"earlier": [{"question": "x"}], "context": "x"}, "earlier.0.line"),
        ({"model": "gpt"}, "model"),
        ({"Question": "x"}, "Question"),
    ],
)
async def test_bad_fields_are_named_with_the_reason(
    client: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    """Given one bad field, when submitted, then 422 names exactly it and nothing is queued."""
    response = await client.post("/v1/jobs", json=QUESTION | change)
    body = problem(response, 422, "invalid_request")
    assert [fault["field"] for fault in body["errors"]] == [field]
    assert body["errors"][0]["reason"]
    assert (await client.get("/v1/jobs")).json()["data"] == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "malformed_body"),
        (b"{", 400, "malformed_body"),
        (b'{"question": "\xff"}', 400, "malformed_body"),
        (b'{"question": "x", "temperature": NaN}', 400, "malformed_body"),
        (b'{"question": "x", "temperature": 1e999}', 422, "invalid_request"),
        (b'"question"', 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b"[" * 100_000, 413, "body_too_large"),
        (b'{"question": ' + b"[" * 50 + b"]" * 50 + b"}", 413, "body_too_large"),
    ],
)
async def test_malformed_bodies_are_refused(client: httpx.AsyncClient, content: bytes, status: int, code: str) -> None:
    """Given a body that is no job, when submitted, then the refusal has its own code and no 500."""
    response = await client.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    problem(response, status, code)


async def test_other_content_types_are_refused(client: httpx.AsyncClient) -> None:
    """Given a form, as a foreign web page may post, when submitted, then 415 names the type to send."""
    body = problem(await client.post("/v1/jobs", data={"question": "x"}), 415, "unsupported_media_type")
    assert "application/json" in body["detail"]


async def test_thousands_of_unknown_fields_give_a_short_answer(client: httpx.AsyncClient) -> None:
    """Given 5,000 unknown fields, when submitted, then the answer stays small."""
    response = await client.post("/v1/jobs", json=QUESTION | {f"x{number}": 1 for number in range(5_000)})
    body = problem(response, 422, "invalid_request")
    assert len(body["errors"]) == 20
    assert "5000" in body["detail"]


async def test_large_bodies_are_refused_by_declared_and_by_real_size(make_client: MakeClient) -> None:
    """Given a body over the limit, declared or sent in chunks, when submitted, then 413 and the connection ends."""
    content = json.dumps({"question": "x" * 3_000}).encode()

    async def chunks() -> Any:
        for start in range(0, len(content), 100):
            yield content[start : start + 100]

    async with make_client(max_body_bytes=2_000) as client:
        for sent in (content, chunks()):
            response = await client.post("/v1/jobs", content=sent, headers={"Content-Type": "application/json"})
            problem(response, 413, "body_too_large")
            assert response.headers["Connection"] == "close"


async def test_a_body_that_never_ends_is_given_up(make_client: MakeClient) -> None:
    """Given a body that stalls, when its time is over, then 408."""

    async def stalling() -> Any:
        yield b"{"
        await asyncio.sleep(30)

    async with make_client(body_timeout_s=0.1) as client:
        response = await client.post("/v1/jobs", content=stalling(), headers={"Content-Type": "application/json"})
        problem(response, 408, "body_timeout")


async def test_unknown_parameters_are_refused(client: httpx.AsyncClient) -> None:
    """Given a query parameter that does not exist, when submitted, then it is refused, not ignored."""
    problem(await client.post("/v1/jobs?wait=5", json=QUESTION), 422, "invalid_request")
