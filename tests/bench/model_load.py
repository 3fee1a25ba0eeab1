"""The whole service with a real model: one client, sixteen clients, and the bare engine beside them."""

import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.http_load import Connection, Reply
from tests.support.stack import Stack

COMPANIES = ("Northwind Paper", "Alder Freight", "Cobalt Retail", "Harbor Foods", "Juniper Software", "Kestrel Energy")
CLIENTS = 16
WAIT_S = 60
# Numbers of requests: no two runs against one worker ask the same, and the bare engine is asked what the queue is.
FIRST = 1_000
WARM_UP_FIRST, WARM_UP_JOBS = 10_000, 2


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What a number of clients saw; `tokens_per_second` counts completion tokens over the wall time.

    `completion_tokens` is the mean length of an answer.
    """

    clients: int
    jobs: int
    tokens_per_second: float
    completion_tokens: float
    latencies_s: list[float]
    batch_size_mean: float
    seconds: float
    queue_ms: float
    prefill_ms: float
    decode_ms: float


def typical_request(number: int, max_tokens: int) -> dict[str, Any]:
    """Return a request of 100 to 250 prompt tokens for an answer of about 100 tokens, `max_tokens` at most."""
    company = COMPANIES[number % len(COMPANIES)]
    revenue, cost = 900 + 13 * number % 400, 610 + 7 * number % 200
    context = (
        f"{company} reported revenue of ${revenue}.4 million for fiscal 2023, compared with ${revenue - 58}.1 million "
        f"in fiscal 2022. Cost of revenue was ${cost}.9 million. Operating expenses rose 6 percent with hiring in "
        f"research and of higher freight rates. The company repurchased {3 + number % 5} million shares and paid "
        f"dividends of $0.{40 + number % 30} per share. Management expects demand to stay firm in the coming year."
    )
    question = (
        f"Explain in detail, with every figure the report states, how {company}'s revenue, costs, payouts and outlook "
        f"developed. (request {number})"
    )
    return {"question": question, "context": context, "max_tokens": max_tokens}


def measure_clients(
    engine: str, jobs_alone: int, jobs_together: int, max_tokens: int
) -> tuple[LoadFigures, LoadFigures]:
    """Run requests from one client, then from sixteen, against one worker."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), engine) as stack:
        asyncio.run(load(stack.port, 1, WARM_UP_JOBS, max_tokens, first=WARM_UP_FIRST))
        alone = asyncio.run(load(stack.port, 1, jobs_alone, max_tokens, first=0))
        together = asyncio.run(load(stack.port, CLIENTS, jobs_together, max_tokens, first=FIRST))
    return alone, together


def measure_queue(engine: str, jobs: int, max_tokens: int) -> LoadFigures:
    """Queue the sixteen clients' requests all at once, for one worker that has not seen them."""
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), engine) as stack:
        asyncio.run(load(stack.port, 1, WARM_UP_JOBS, max_tokens, first=WARM_UP_FIRST))
        return asyncio.run(queue_all(stack.port, jobs, max_tokens, first=FIRST))


async def load(port: int, clients: int, jobs: int, max_tokens: int, first: int) -> LoadFigures:
    waiting = list(range(first, first + jobs))
    views: list[dict[str, Any]] = []
    latencies_s: list[float] = []

    async def client() -> None:
        connection = Connection(port)
        while waiting:
            started_s = time.perf_counter()
            views.append(await answer(connection, typical_request(waiting.pop(0), max_tokens)))
            latencies_s.append(time.perf_counter() - started_s)
        await connection.close()

    started_s = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return _figures(views, latencies_s, clients, time.perf_counter() - started_s)


async def queue_all(port: int, jobs: int, max_tokens: int, first: int) -> LoadFigures:
    """Submit all jobs over one connection, then wait for each in turn; latencies are those the service states."""
    connection = Connection(port)
    started_s = time.perf_counter()
    replies = [
        await connection.request("POST", "/v1/jobs", json.dumps(typical_request(number, max_tokens)).encode())
        for number in range(first, first + jobs)
    ]
    views = [await ended(connection, reply) for reply in replies]
    seconds = time.perf_counter() - started_s
    await connection.close()
    return _figures(views, [view["result"]["timings"]["total_ms"] / 1000 for view in views], 1, seconds)


def _figures(views: list[dict[str, Any]], latencies_s: list[float], clients: int, seconds: float) -> LoadFigures:
    timings = [view["result"]["timings"] for view in views]
    completion_tokens = sum(entry["completion_tokens"] for entry in timings)
    return LoadFigures(
        clients=clients,
        jobs=len(views),
        tokens_per_second=completion_tokens / seconds,
        completion_tokens=completion_tokens / len(views),
        latencies_s=latencies_s,
        batch_size_mean=_mean([entry["batch_size_mean"] for entry in timings]),
        seconds=seconds,
        queue_ms=_mean([entry["queue_ms"] for entry in timings]),
        prefill_ms=_mean([entry["prefill_ms"] for entry in timings]),
        decode_ms=_mean([entry["decode_ms"] for entry in timings]),
    )


async def answer(connection: Connection, body: dict[str, Any]) -> dict[str, Any]:
    """Submit a job and wait for its end."""
    body_bytes = json.dumps(body).encode()
    return await ended(
        connection, await connection.request("POST", "/v1/jobs", body_bytes, f"Prefer: wait={WAIT_S}\r\n")
    )


async def ended(connection: Connection, reply: Reply) -> dict[str, Any]:
    """Return the view of a submitted job at its end; raises RuntimeError if it was refused or did not succeed."""
    while reply.status == 202 or reply.json()["status"] in {"queued", "running"}:
        job_id = reply.json()["id"]
        reply = await connection.request("GET", f"/v1/jobs/{job_id}?wait={WAIT_S}")
    view: dict[str, Any] = reply.json()
    if reply.status != 200 or view["status"] != "succeeded":
        raise RuntimeError(f"a job did not succeed: {reply.status} {reply.body[:300]!r}")
    return view


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
