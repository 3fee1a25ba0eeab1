"""The HTTP client against scripted answers."""

import json
from collections.abc import Callable, Iterator
from itertools import chain, repeat

import httpx
import pytest

from api.client import ApiClient, ApiProblemError
from common.errors import UnavailableError
from common.events import EventType

Handler = Callable[[httpx.Request], httpx.Response]

QUEUED = 'event: queued\nid: 1-0\ndata: {"job_id": "j"}\n\n'
TOKEN = 'event: token\nid: 2-0\ndata: {"text": "42"}\n\n'
SUCCEEDED = 'event: succeeded\nid: 3-0\ndata: {"job": {"status": "succeeded"}}\n\n'


def client_of(
    handler: Handler, api_key: str | None = None, pause: Callable[[float], None] = lambda _seconds: None
) -> ApiClient:
    return ApiClient("http://service", api_key, httpx.MockTransport(handler), pause)


def stream(*parts: str) -> httpx.Response:
    return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content="".join(parts).encode())


def test_a_problem_is_told_with_the_field_and_the_reason() -> None:
    # Given a refusal as the gateway words it
    body = {
        "title": "The request is not valid",
        "detail": "2 fields are not valid.",
        "code": "invalid_request",
        "errors": [{"field": "question", "reason": "blank"}, {"field": "maxtokens", "reason": "not known"}],
    }
    # When a question is submitted
    with client_of(lambda _: httpx.Response(422, json=body)) as client, pytest.raises(ApiProblemError) as caught:
        client.submit({"question": ""})
    # Then the message holds every fault
    assert caught.value.message.splitlines() == [
        "2 fields are not valid.",
        "  question: blank",
        "  maxtokens: not known",
    ]
    assert caught.value.status == 422


@pytest.mark.parametrize("content", [b"<html>Bad gateway</html>", b"[]", b'{"errors": "x"}', b"null"])
def test_a_refusal_in_another_form_is_told_by_its_status(content: bytes) -> None:
    with (
        client_of(lambda _: httpx.Response(502, content=content)) as client,
        pytest.raises(ApiProblemError, match="502"),
    ):
        client.job("j")


@pytest.mark.parametrize("content", [b"hello", b"[1]"])
def test_a_service_of_another_kind_is_noticed(content: bytes) -> None:
    answer = httpx.Response(200, content=content)
    with client_of(lambda _: answer) as client, pytest.raises(UnavailableError, match="is it FinanceLLM"):
        client.job("j")


def test_nobody_there_is_told_with_what_to_do() -> None:
    with ApiClient("http://127.0.0.1:1") as client, pytest.raises(UnavailableError, match="financellm up"):
        client.readiness()


def test_the_key_travels_as_a_bearer_token_and_the_idempotency_key_in_quotes() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"id": "j"})

    with client_of(handler, "secret") as client:
        client.submit({"question": "q"}, "a-1")
    assert seen[0].headers["authorization"] == "Bearer secret"
    assert seen[0].headers["idempotency-key"] == '"a-1"'


def test_a_full_queue_is_waited_out_as_long_as_it_asks() -> None:
    # Given a service that is full twice
    answers: Iterator[httpx.Response] = iter(
        [
            httpx.Response(429, headers={"Retry-After": "7"}, json={"code": "queue_full"}),
            httpx.Response(503, json={"code": "unavailable"}),
            httpx.Response(202, json={"id": "j"}),
        ]
    )
    keys: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["idempotency-key"])
        return next(answers)

    waits: list[float] = []
    # When a question is submitted with patience
    with client_of(handler, pause=waits.append) as client:
        job = client.submit_patiently({"question": "q"}, "same")
    # Then it waited as told, and repeated under one key
    assert job == {"id": "j"}
    assert waits[0] == 7
    assert set(keys) == {'"same"'}


def test_a_service_without_a_model_is_not_waited_for() -> None:
    # Given a gateway whose operator has not prepared a model
    refusal = httpx.Response(
        503, headers={"Retry-After": "2"}, json={"code": "model_files_error", "detail": "No model."}
    )
    waits: list[float] = []
    # When a question is submitted with patience
    with client_of(lambda _: refusal, pause=waits.append) as client, pytest.raises(ApiProblemError, match="No model"):
        client.submit_patiently({"question": "q"}, "same")
    # Then the refusal is told at once
    assert waits == []


def test_patience_with_outages_may_be_bounded() -> None:
    # Given a service that is away once, then full, then away for good
    away = httpx.Response(503, headers={"Retry-After": "2"}, json={"code": "unavailable"})
    full = httpx.Response(429, headers={"Retry-After": "7"}, json={"code": "queue_full"})
    answers = chain([away, full], repeat(away))
    waits: list[float] = []
    # When a question is submitted that waits out two outages in a row
    with client_of(lambda _: next(answers), pause=waits.append) as client, pytest.raises(ApiProblemError) as caught:
        client.submit_patiently({"question": "q"}, "same", most_outages=2)
    # Then the third one in a row is told, and the full queue did not count
    assert caught.value.status == 503
    assert waits == [2, 7, 2, 2]


def test_reads_wait_as_long_as_a_429_asks() -> None:
    # Given a service at which the caller has used up its requests, for a look and for a stream
    answers = iter(
        [
            httpx.Response(429, headers={"Retry-After": "3"}, json={"code": "rate_limited"}),
            httpx.Response(200, json={"id": "j"}),
            httpx.Response(429, headers={"Retry-After": "5"}, json={"code": "too_many_streams"}),
            stream(SUCCEEDED),
        ]
    )
    waits: list[float] = []
    # When a job is looked at and followed
    with client_of(lambda _: next(answers), pause=waits.append) as client:
        job = client.job("j")
        events = list(client.events("j"))
    # Then both waited as told and went on
    assert job == {"id": "j"}
    assert [event.type for event in events] == [EventType.SUCCEEDED]
    assert waits == [3, 5]


def test_what_is_no_read_is_not_sent_again_by_itself() -> None:
    """Given a refusal of a cancellation, when it is asked for, then the refusal is told with its time."""
    refusal = httpx.Response(429, headers={"Retry-After": "3"}, json={"code": "rate_limited"})
    with client_of(lambda _: refusal) as client, pytest.raises(ApiProblemError) as caught:
        client.cancel("j")
    assert caught.value.retry_after_s == 3


def test_a_broken_stream_goes_on_after_the_last_event_seen() -> None:
    # Given a stream that ends early, as at a restart of the gateway
    after: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        after.append(request.headers.get("last-event-id"))
        return stream("retry: 1000\n\n", QUEUED, TOKEN, ": going down\n\n") if len(after) == 1 else stream(SUCCEEDED)

    # When the job is followed
    with client_of(handler) as client:
        events = list(client.events("j"))
    # Then no event is missing or doubled
    assert [event.type for event in events] == [EventType.QUEUED, EventType.TOKEN, EventType.SUCCEEDED]
    assert after == [None, "2-0"]


def test_a_stream_survives_a_gateway_that_is_away_for_a_moment() -> None:
    calls = 0

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(503, json={}) if calls == 2 else stream(SUCCEEDED)

    with client_of(handler) as client:
        assert [event.id for event in client.events("j")] == ["3-0"]


def test_a_stream_gives_up_on_a_gateway_that_stays_away() -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with client_of(handler) as client, pytest.raises(UnavailableError, match="No service answers"):
        list(client.events("j"))


def test_a_job_whose_events_were_all_seen_has_no_more() -> None:
    with client_of(lambda _: httpx.Response(204)) as client:
        assert list(client.events("j", after="3-0")) == []


def test_an_unknown_job_is_not_followed() -> None:
    problem = httpx.Response(404, content=json.dumps({"detail": "There is no such job."}).encode())
    with client_of(lambda _: problem) as client, pytest.raises(ApiProblemError, match="no such job"):
        list(client.events("j"))
