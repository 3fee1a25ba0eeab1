"""An HTTP client for the service, as the command line uses it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self, TypeVar

import httpx
import httpx_sse

from common.errors import FinanceLLMError, ModelFilesError, UnavailableError
from common.events import EventType

DEFAULT_API_URL = "http://127.0.0.1:8000"
API_URL_VARIABLE = "FINANCELLM_API_URL"
API_KEY_VARIABLE = "FINANCELLM_API_KEY"

_CONNECT_TIMEOUT_S = 5.0
# Above the longest long poll and the heartbeat of event streams.
_READ_TIMEOUT_S = 60.0
_RECONNECT_S = 1.0
# A gateway that is started again is back well before this many tries, one a second.
MOST_REFUSALS = 20
_EVENT_NAMES = frozenset(EventType)
_SEND_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_NOT_LET_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

JsonObject = dict[str, Any]
T = TypeVar("T")


class ApiProblemError(FinanceLLMError):
    """The service answered with problem+json (RFC 9457); `status` is the HTTP status, `body` the document."""

    code = "api_problem"

    def __init__(self, status: int, body: JsonObject, retry_after_s: float | None = None) -> None:
        super().__init__(_in_words(status, body))
        self.status = status
        self.body = body
        self.retry_after_s = retry_after_s

    @property
    def meets_every_request(self) -> bool:
        """Whether any other request would be refused too, until a person has done something about it."""
        return self.status in _NOT_LET_IN or self.body.get("code") == ModelFilesError.code


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event of a job: its id for resuming, its type and its data."""

    id: str
    type: EventType
    data: JsonObject


class _AllSeenError(Exception):
    """The job has ended, and there is no event after the last one seen."""


class ApiClient:
    """Talks to one service; a context manager.

    Every call raises UnavailableError where nobody answers and ApiProblemError for a refusal. Reads wait as long as a
    429 asks, so that they raise none.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._pause = pause
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(_READ_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            transport=transport,
            trust_env=False,
        )

    @classmethod
    def from_environment(cls) -> Self:
        """Build a client from FINANCELLM_API_URL and FINANCELLM_API_KEY."""
        return cls(os.environ.get(API_URL_VARIABLE, DEFAULT_API_URL), os.environ.get(API_KEY_VARIABLE))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._http.close()

    def readiness(self) -> JsonObject:
        """Return the body of /readyz, whose `status` is `ready` or `not_ready`; raises UnavailableError."""
        with self._reaching():
            response = self._http.get("/readyz")
        if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
            _raise_for_problem(response)
        return self._json(response)

    def submit(self, request: JsonObject, idempotency_key: str | None = None) -> JsonObject:
        """Submit a question and return the accepted job."""
        headers = {"Idempotency-Key": f'"{idempotency_key}"'} if idempotency_key else {}
        return self.call("POST", "/v1/jobs", json=request, headers=headers)

    def submit_patiently(
        self, request: JsonObject, idempotency_key: str, most_outages: int | None = None
    ) -> JsonObject:
        """Submit, waiting as long as the service asks whenever its queue is full; safe to repeat by its key.

        A 503 is waited out too, at most `most_outages` times in a row where that is given.
        """
        return self.patiently(lambda: self.submit(request, idempotency_key), most_outages)

    def patiently(self, work: Callable[[], T], most_outages: int | None = None) -> T:
        """Return what `work` returns, doing it again as long as it is refused for the time being; it must bear that.

        A 429 is waited out as long as it asks, a 503 too, at most `most_outages` times in a row where that is given.
        """
        outages = 0
        while True:
            try:
                return work()
            except ApiProblemError as problem:
                if problem.status not in _SEND_AGAIN or problem.meets_every_request:
                    raise
                outages = outages + 1 if problem.status == HTTPStatus.SERVICE_UNAVAILABLE else 0
                if most_outages is not None and outages > most_outages:
                    raise
                self._pause(problem.retry_after_s or _RECONNECT_S)

    def job(self, job_id: str, wait_s: float = 0) -> JsonObject:
        """Return a job, waiting up to `wait_s` seconds for its end."""
        return self.call("GET", f"/v1/jobs/{job_id}", params={"wait": f"{wait_s:g}"} if wait_s else None)

    def jobs(self, limit: int, after: str | None = None) -> JsonObject:
        """Return a page of the caller's jobs, newest first, below the job `after`."""
        params = {"limit": str(limit)} | ({"after": after} if after else {})
        return self.call("GET", "/v1/jobs", params=params)

    def overview(self) -> JsonObject:
        """Return queues, live workers and counters as they are now."""
        return self.call("GET", "/v1/overview")

    def cancel(self, job_id: str) -> JsonObject:
        """Ask for a job's cancellation and return the job."""
        return self.call("POST", f"/v1/jobs/{job_id}/cancel")

    def events(self, job_id: str, after: str | None = None) -> Iterator[StreamEvent]:
        """Yield a job's events up to its last one, connecting again after the last one seen when the stream breaks.

        Raises UnavailableError if the service stays away.
        """
        refused = 0
        while True:
            try:
                for event in self._stream(job_id, after):
                    refused = 0
                    after = event.id
                    yield event
                    if event.type.is_terminal:
                        return
            except _AllSeenError:
                return
            except httpx.TransportError as error:
                refused += isinstance(error, httpx.ConnectError)
                if refused > MOST_REFUSALS:
                    raise self._away(error) from error
            except ApiProblemError as problem:
                if problem.status == HTTPStatus.TOO_MANY_REQUESTS:
                    self._pause(problem.retry_after_s or _RECONNECT_S)
                    continue
                refused += 1
                if problem.status != HTTPStatus.SERVICE_UNAVAILABLE or refused > MOST_REFUSALS:
                    raise
            self._pause(_RECONNECT_S)

    def _stream(self, job_id: str, after: str | None) -> Iterator[StreamEvent]:
        headers = {"Last-Event-ID": after} if after else {}
        path = f"/v1/jobs/{job_id}/events"
        with httpx_sse.connect_sse(self._http, "GET", path, headers=headers) as source:
            if source.response.is_error:
                source.response.read()
            _raise_for_problem(source.response)
            if source.response.status_code == HTTPStatus.NO_CONTENT:
                raise _AllSeenError
            for event in source.iter_sse():
                if event.event in _EVENT_NAMES:
                    yield StreamEvent(event.id, EventType(event.event), json.loads(event.data))

    def call(self, method: str, path: str, **arguments: Any) -> JsonObject:
        """Send one request and return the JSON object it answers; a GET comes back where it is told to."""
        if method != "GET":
            return self._call(method, path, **arguments)
        return self.patiently(lambda: self._call(method, path, **arguments), most_outages=0)

    def _call(self, method: str, path: str, **arguments: Any) -> JsonObject:
        with self._reaching():
            response = self._http.request(method, path, **arguments)
        _raise_for_problem(response)
        return self._json(response)

    def _json(self, response: httpx.Response) -> JsonObject:
        try:
            body = response.json()
        except ValueError as error:
            raise UnavailableError(f"{self.url} answered something that is not JSON; is it FinanceLLM?") from error
        if not isinstance(body, dict):
            raise UnavailableError(f"{self.url} answered JSON of an unexpected form; is it FinanceLLM?")
        return body

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> UnavailableError:
        return UnavailableError(
            f"No service answers at {self.url} ({error}). Start one with `financellm up`, or set {API_URL_VARIABLE}."
        )


def _raise_for_problem(response: httpx.Response) -> None:
    if not response.is_error:
        return
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    retry_after = response.headers.get("retry-after", "")
    raise ApiProblemError(response.status_code, body, float(retry_after) if retry_after.isdecimal() else None)


def _in_words(status: int, body: JsonObject) -> str:
    """Return a problem document as a sentence, one more line for each field at fault."""
    text = str(body.get("detail") or body.get("title") or f"The service answered with HTTP status {status}.")
    errors = body.get("errors")
    if not isinstance(errors, list):
        return text
    lines = [f"  {error.get('field', '?')}: {error.get('reason', '')}" for error in errors if isinstance(error, dict)]
    return "\n".join([text, *lines])
