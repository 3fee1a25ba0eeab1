"""The gateway as a process: start, outages, bad connections, shutdown."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx

from common import operations
from common.store import JobStore
from tests.integration.gateway.conftest import GatewayProcess
from tests.integration.gateway.playing_worker import Heard, answer, listen, say, submit, take
from tests.support.redis_process import RedisProcess

StartGateway = Callable[..., GatewayProcess]


def talk(gateway: GatewayProcess, data: bytes, pause_s: float = 0) -> bytes:
    """Send bytes over a raw connection and return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as connection:
        try:
            connection.sendall(data)
            time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


def test_an_open_address_without_keys_is_refused() -> None:
    """Given an address others can reach and no key, when started, then it ends with 78 and plain words."""
    environment = os.environ | {"FINANCELLM_API_HOST": "0.0.0.0", "FINANCELLM_API_KEY_HASHES": ""}
    ended = subprocess.run([sys.executable, "-m", "api"], env=environment, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 78
    assert ended.stderr.startswith("FINANCELLM_API_HOST is 0.0.0.0")
    assert "Traceback" not in ended.stderr


def test_shutdown_ends_streams_and_long_polls_quickly(
    start_gateway: StartGateway, redis_url: str, job_store: JobStore
) -> None:
    """Given an open stream and an open long poll, when SIGTERM comes, then both end and the exit code is 0."""
    gateway = start_gateway(redis_url)
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        job = submit(client)
    comments: list[str] = []
    polled: list[int] = []

    def follow() -> None:
        with httpx.stream("GET", gateway.url + job["links"]["events"], timeout=30) as response:
            comments.extend(line for line in response.iter_lines() if line.startswith(":"))

    def poll() -> None:
        polled.append(httpx.get(f"{gateway.url}{job['links']['self']}?wait=30", timeout=30).status_code)

    clients = [threading.Thread(target=follow), threading.Thread(target=poll)]
    for client_thread in clients:
        client_thread.start()
    time.sleep(0.5)
    started_s = time.monotonic()
    assert gateway.stop() == 0
    took_s = time.monotonic() - started_s
    for client_thread in clients:
        client_thread.join(5)
    assert polled == [200]
    assert "going down; reconnect with Last-Event-ID" in comments[-1]
    # The stream alone would have gone on for ten minutes, and the poll for half a minute.
    assert took_s < 5


def test_log_lines_are_json_and_carry_the_request(gateway: GatewayProcess, client: httpx.Client) -> None:
    """Given a submission with a request id, then its log lines are JSON bound to that id and the job."""
    response = client.post("/v1/jobs", json={"question": "secret question"}, headers={"X-Request-ID": "trace-7"})
    mine: list[dict[str, str]] = []
    # The line about the whole request is written after its answer.
    while not mine:
        lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
        mine = [line for line in lines if line.get("request_id") == "trace-7"]
    assert [(line["event"], line["route"], line["job_id"]) for line in mine] == [
        ("request", "/v1/jobs", response.json()["id"])
    ]
    assert "secret question" not in gateway.log.read_text()


def test_endless_heads_are_cut_off(gateway: GatewayProcess, client: httpx.Client) -> None:
    """Given a header without end, in one piece or many, when sent, then 431 and the connection is closed."""
    one = talk(gateway, b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Big: " + b"x" * 500_000)
    many = talk(gateway, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X-N: x\r\n" * 50_000)
    # A reset may overtake the answer, as the rest of what was sent is never read.
    for answered in (one, many):
        assert answered == b"" or b" 431 " in answered.split(b"\r\n")[0]
    assert client.get("/livez").status_code == 200


def test_malformed_requests_do_no_harm(gateway: GatewayProcess, client: httpx.Client) -> None:
    """Given bytes that are no HTTP, when sent, then the connection ends and others are served."""
    for data in (b"\x00\xff\r\n\r\n", b"GET /\xff HTTP/1.1\r\n\r\n", b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n"):
        answered = talk(gateway, data)
        assert answered == b"" or b" 400 " in answered.split(b"\r\n")[0]
    assert client.get("/livez").status_code == 200


def test_a_body_over_the_limit_is_not_read_to_its_end(gateway: GatewayProcess, client: httpx.Client) -> None:
    """Given a declared body of a terabyte, when its head arrives, then 413 comes and the connection closes."""
    head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    answered = talk(gateway, head % 10**12)
    assert b" 413 " in answered.split(b"\r\n")[0]
    assert b"application/problem+json" in answered


def test_a_client_that_leaves_frees_its_stream(client: httpx.Client, gateway: GatewayProcess) -> None:
    """Given a stream whose client vanished, when metrics are read, then it is no longer counted as open."""
    job = submit(client)
    stream = listen(client, job)
    next(stream)
    assert "financellm_event_listeners 1.0" in client.get("/metrics").text
    stream.close()  # type: ignore[attr-defined]
    deadline_s = time.monotonic() + 10
    while "financellm_event_listeners 0.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_redis_outage_is_503_and_passes(
    start_gateway: StartGateway, own_redis: RedisProcess, own_store: JobStore
) -> None:
    """Given a stream and Redis killed and restarted, then requests get 503 meanwhile and the stream misses nothing."""
    gateway = start_gateway(own_redis.url)
    heard: list[Heard] = []
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        job = submit(client)
        running = take(own_store)
        say(own_store, running, 0, "before")

        def follow() -> None:
            with httpx.Client(base_url=gateway.url, timeout=60) as own:
                heard.extend(listen(own, job))

        follower = threading.Thread(target=follow)
        follower.start()
        # The append-only file is written once a second.
        time.sleep(1.5)
        own_redis.kill()
        for method, path in (("POST", "/v1/jobs"), ("GET", job["links"]["self"]), ("GET", "/v1/jobs")):
            response = client.request(method, path, json={"question": "q"} if method == "POST" else None)
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert "Retry-After" in response.headers
        assert client.get("/readyz").json()["redis"] == "unavailable"
        assert client.get("/livez").status_code == 200
        own_redis.start()
        say(own_store, running, 6, "after")
        answer(own_store, running)
        follower.join(20)
        assert [event.type for event in heard] == ["queued", "running", "token", "token", "succeeded"]
        assert submit(client)["status"] == "queued"
        assert own_store.run(operations.overview()).counts["accepted"] == 2
