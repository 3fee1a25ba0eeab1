"""The gateway alone: submissions against a bare FastAPI and Redis floor, commands per job, push latency."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx
import redis
from httpx_sse import connect_sse

from tests.bench.http_load import Connection, Reply, post_many
from tests.bench.report import percentile
from tests.support.redis_process import RedisProcess, free_port
from tests.support.stack import Stack

BODY = json.dumps(
    {"question": "What was revenue in 2023?", "context": "Revenue was $5 million. " * 8, "max_tokens": 16}
)
WARM_UP_JOBS = 50
CLIENTS = 16


@dataclass(frozen=True, slots=True)
class GatewayFigures:
    """What the gateway costs, without a model."""

    submit_p50_ms: float
    submit_p99_ms: float
    gateway_jobs_per_second: float
    floor_jobs_per_second: float
    redis_commands_per_job: float
    push_p99_ms: float


def measure_gateway(jobs: int) -> GatewayFigures:
    """Measure with the fake engine, so that every figure is the gateway's and Redis' own."""
    with tempfile.TemporaryDirectory() as folder:
        floor = _floor_jobs_per_second(Path(folder), jobs)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), "fake") as stack:
        asyncio.run(_submit_alone(stack.port, WARM_UP_JOBS))
        push_ms = [_push_latency_ms(stack.url) for _ in range(40)]
        commands = _redis_commands_per_job(stack, 200)
        # The worker steps aside: it must not take the gateway's processor time.
        for worker in stack.workers:
            worker.terminate()
            worker.wait()
        alone = asyncio.run(_submit_alone(stack.port, jobs // 4))
        replies, seconds = asyncio.run(post_many(stack.port, "/v1/jobs", [BODY.encode()] * jobs, CLIENTS))
    _require_accepted([*alone, *replies])
    alone_ms = [reply.seconds * 1000 for reply in alone]
    return GatewayFigures(
        submit_p50_ms=statistics.median(alone_ms),
        submit_p99_ms=percentile(alone_ms, 0.99),
        gateway_jobs_per_second=jobs / seconds,
        floor_jobs_per_second=floor,
        redis_commands_per_job=commands,
        push_p99_ms=percentile(push_ms, 0.99),
    )


async def _submit_alone(port: int, jobs: int) -> list[Reply]:
    connection = Connection(port)
    replies = [await connection.request("POST", "/v1/jobs", BODY.encode()) for _ in range(jobs)]
    await connection.close()
    return replies


def _redis_commands_per_job(stack: Stack, jobs: int) -> float:
    """Count what clients send from acceptance to the end of a burst, less what an idle stack sends in that time."""
    with redis.Redis.from_url(stack.redis.url) as client:
        with CommandCounter(client) as idle:
            time.sleep(2)
        started_s = time.monotonic()
        with CommandCounter(client) as burst:
            replies, _ = asyncio.run(post_many(stack.port, "/v1/jobs", [BODY.encode()] * jobs, CLIENTS))
            wait_until_idle(stack.url)
        seconds = time.monotonic() - started_s
    _require_accepted(replies)
    return (burst.commands - idle.commands / 2 * seconds) / jobs


class CommandCounter:
    """Counts the commands Redis receives from clients; those made inside scripts are no round trips."""

    def __init__(self, client: redis.Redis) -> None:
        self.commands = 0
        self._client = client
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._started = threading.Event()
        self._end = f"end {id(self)}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.echo(self._end)
        self._thread.join()

    def _count(self) -> None:
        with self._client.monitor() as monitor:
            self._started.set()
            for entry in monitor.listen():
                if self._end in entry["command"]:
                    return
                self.commands += entry["client_type"] != "lua"


def wait_until_idle(url: str) -> None:
    """Wait until no job waits or runs."""
    while True:
        metrics = httpx.get(f"{url}/metrics").text.splitlines()
        busy = [line for line in metrics if line.startswith("vllm:num_requests_")]
        if sum(float(line.split()[-1]) for line in busy) == 0:
            return
        time.sleep(0.05)


def _push_latency_ms(url: str) -> float:
    """Time from the terminal event's stamp to its arrival at an event listener."""
    with httpx.Client(base_url=url, timeout=30) as client:
        job = client.post("/v1/jobs", content=BODY, headers={"Content-Type": "application/json"}).json()
        with connect_sse(client, "GET", f"/v1/jobs/{job['id']}/events") as stream:
            for event in stream.iter_sse():
                if event.event in {"succeeded", "failed"}:
                    return time.time() * 1000 - int(event.id.split("-")[0])
    raise RuntimeError("the event stream ended before its job")


def _floor_jobs_per_second(folder: Path, jobs: int) -> float:
    server = RedisProcess(folder)
    server.start()
    port = free_port()
    env = {**os.environ, "FLOOR_REDIS_URL": server.url, "FLOOR_PORT": str(port)}
    app = subprocess.Popen([sys.executable, "-m", "tests.bench.floor_app"], env=env)
    try:
        _wait_for_port(port)
        asyncio.run(post_many(port, "/jobs", [BODY.encode()] * WARM_UP_JOBS, CLIENTS))
        replies, seconds = asyncio.run(post_many(port, "/jobs", [BODY.encode()] * jobs, CLIENTS))
    finally:
        app.terminate()
        app.wait()
        server.kill()
    _require_accepted(replies)
    return jobs / seconds


def _wait_for_port(port: int) -> None:
    for _ in range(200):
        try:
            httpx.get(f"http://127.0.0.1:{port}/docs")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


def _require_accepted(replies: list[Reply]) -> None:
    refused = [reply for reply in replies if reply.status != 202]
    if refused:
        raise RuntimeError(f"{len(refused)} of {len(replies)} submissions refused: {refused[0].body[:300]!r}")
