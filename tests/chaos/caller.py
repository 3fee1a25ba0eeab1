"""An HTTP client that does as answers say: comes back after Retry-After, asks another gateway where one is away."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.chaos.cluster import key_of

GIVE_UP_S = 150.0
TIMEOUT_S = 20.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
ASKED_TO_COME_BACK = frozenset({429, 503})


class GaveUpError(Exception):
    """A request that could not be made to succeed by doing what the answers said."""


@dataclass(slots=True)
class Tally:
    """What the callers of a run met."""

    requests: int = 0
    broken: int = 0
    refused_429: int = 0
    refused_503: int = 0
    failed: list[str] = field(default_factory=list)


class Caller:
    """One API key's client over all gateways; its answers have at most `answer_tokens` unless it says otherwise."""

    def __init__(self, urls: list[str], name: str, tally: Tally, answer_tokens: int = 64) -> None:
        self.name = name
        self.tally = tally
        self._urls = urls
        self._answer_tokens = answer_tokens
        self._turn = 0
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key_of(name)}"},
            timeout=httpx.Timeout(TIMEOUT_S, pool=None),
            limits=httpx.Limits(max_connections=None),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request until it is answered; raises GaveUpError, which is also noted in the tally."""
        began_s = time.monotonic()
        pause_s = FIRST_PAUSE_S
        while time.monotonic() - began_s < GIVE_UP_S:
            self.tally.requests += 1
            try:
                response = await self._client.request(method, self._next_url() + path, **options)
            except httpx.TransportError:
                self.tally.broken += 1
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            if response.status_code not in ASKED_TO_COME_BACK:
                return self._checked(method, path, response)
            await self._wait_as_told(method, path, response)
        raise self._failure(f"{method} {path}: no success within {GIVE_UP_S:g} s")

    async def submit(
        self, question: str, key: str | None = None, headers: dict[str, str] | None = None, **fields: Any
    ) -> str:
        """Have a job accepted, once, and return its id."""
        sent = {"Idempotency-Key": f'"{key or secrets.token_hex(12)}"', **(headers or {})}
        body = {"question": question, "max_tokens": self._answer_tokens, **fields}
        response = await self.request("POST", "/v1/jobs", json=body, headers=sent)
        return str(response.json()["id"])

    async def ended(self, job_id: str, timeout_s: float = 90.0) -> dict[str, Any]:
        """Wait for a job's end by long polls; return its last view."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            view: dict[str, Any] = (await self.request("GET", f"/v1/jobs/{job_id}?wait=10")).json()
            if view["finished_at"] is not None or time.monotonic() > deadline_s:
                return view

    async def events(self, job_id: str, after: str | None) -> AsyncGenerator[tuple[str, str, dict[str, Any]], None]:
        """Yield (id, type, data) of one connection's events; ends or raises httpx.TransportError as that does."""
        headers = {"Last-Event-ID": after} if after else {}
        self.tally.requests += 1
        url = f"{self._next_url()}/v1/jobs/{job_id}/events"
        async with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == 503:
                await asyncio.sleep(float(response.headers["Retry-After"]))
                return
            if response.status_code != 200:
                raise self._failure(f"events of {job_id} were answered {response.status_code}")
            entry: dict[str, str] = {}
            async for line in response.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    entry[name] = value
                elif "id" in entry:
                    yield entry["id"], entry["event"], json.loads(entry["data"])
                    entry = {}

    def _checked(self, method: str, path: str, response: httpx.Response) -> httpx.Response:
        if response.status_code >= 400:
            raise self._failure(f"{method} {path} was answered {response.status_code}: {response.text[:200]}")
        return response

    async def _wait_as_told(self, method: str, path: str, response: httpx.Response) -> None:
        if response.status_code == 429:
            self.tally.refused_429 += 1
        else:
            self.tally.refused_503 += 1
        told = response.headers.get("Retry-After")
        if told is None:
            raise self._failure(f"{method} {path} was answered {response.status_code} without Retry-After")
        await asyncio.sleep(float(told))

    def _next_url(self) -> str:
        self._turn += 1
        return self._urls[self._turn % len(self._urls)]

    def _failure(self, reason: str) -> GaveUpError:
        self.tally.failed.append(reason)
        return GaveUpError(reason)
