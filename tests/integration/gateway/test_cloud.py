"""What differs between a laptop and a cloud platform and usually bites; docs/railway.md names each test."""

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from api.keys import new_api_key
from api.listener import EVERY_ADDRESS, sockets_for
from api.local_redis import find_redis_server
from common.jobs import Lane
from common.operations import overview
from common.queue import make_celery, permits_key, send_permit
from common.settings import Settings
from common.store import JobStore
from tests.integration.gateway.conftest import GatewayProcess
from tests.support.railway_project import railway_graph
from tests.support.read_only_root import READ_ONLY_ROOT, can_make_the_root_read_only
from tests.support.redis_process import free_port

StartGateway = Callable[..., GatewayProcess]

CALLER = "203.0.113.7"


@pytest.fixture
def open_gateway(start_gateway: StartGateway, redis_url: str) -> GatewayProcess:
    """A gateway on every address, with a key."""
    _, entry = new_api_key("analyst")
    return start_gateway(redis_url, api_host=EVERY_ADDRESS, api_key_hashes=entry)


def needs_ipv6() -> None:
    """Skip on machines whose loopback has no IPv6 address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_every_address_means_both_families(open_gateway: GatewayProcess, address: str) -> None:
    """Given a gateway on ::, when asked over IPv4 and over IPv6, then it answers both."""
    needs_ipv6()
    assert httpx.get(f"http://{address}:{open_gateway.port}/livez").status_code == 200


def test_a_taken_port_is_said_in_words(start_gateway: StartGateway, redis_url: str) -> None:
    """Given a port somebody listens on, when the gateway starts on ::, then it ends and the log names the port."""
    _, entry = new_api_key("analyst")
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"cannot listen.*{port}|{port}.*cannot listen"):
            start_gateway(redis_url, api_host=EVERY_ADDRESS, api_key_hashes=entry, api_port=str(port))


def test_other_hosts_are_left_to_the_server() -> None:
    """Given a host that names one family, when asked for sockets, then the server binds by itself."""
    assert sockets_for("127.0.0.1", 0) is None


@pytest.mark.parametrize(("trusted", "seen"), [("", "127.0.0.1"), ("127.0.0.0/8", CALLER), ("10.0.0.0/8", "127.0.0.1")])
def test_forwarded_headers_count_only_from_trusted_proxies(
    start_gateway: StartGateway, redis_url: str, trusted: str, seen: str
) -> None:
    """Given a forwarded address, when the sender is a trusted proxy, then it is the client; else the sender is."""
    _, entry = new_api_key("analyst")
    gateway = start_gateway(redis_url, api_host=EVERY_ADDRESS, api_key_hashes=entry, api_trusted_proxies=trusted)
    forged = "198.51.100.99"
    httpx.get(f"{gateway.url}/v1/jobs", headers={"X-Forwarded-For": f"{forged}, {CALLER}"})
    gateway.stop()
    lines = [json.loads(line) for line in gateway.log.read_text().splitlines() if line.startswith("{")]
    assert [line["client"] for line in lines if line.get("route") == "/v1/jobs"] == [seen]


def test_a_gateway_needs_no_disk(redis_url: str, tmp_path: Path) -> None:
    """Given a root that cannot be written to, when a gateway runs and a job is submitted, then all is well."""
    if not can_make_the_root_read_only():
        pytest.skip("mount namespaces need root")
    gateway = GatewayProcess(redis_url, tmp_path, READ_ONLY_ROOT)
    try:
        answer = httpx.post(f"{gateway.url}/v1/jobs", json={"question": "What is EBITDA?"})
        assert answer.status_code == 202, answer.text
    finally:
        gateway.kill()


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[int]:
    """Run Redis with these options on a free port and yield the port."""
    port = free_port()
    command = [str(find_redis_server()), *options, "--port", str(port), "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_for_ipv6(port)
        yield port
    finally:
        server.kill()
        server.wait()


def test_redis_is_reached_over_ipv6_alone(tmp_path: Path) -> None:
    """Given a Redis that listens on IPv6 only, when store and queue talk to it, then both reach it."""
    needs_ipv6()
    with redis_server(tmp_path, "--bind", "::1", "--save", "") as port:
        settings = Settings(redis_url=f"redis://[::1]:{port}/0", key_prefix="test")
        store = JobStore.connect(settings)
        assert store.run(overview()).workers == ()
        send_permit(make_celery(settings), Lane.BULK, "job_1")
        assert store.client.llen(permits_key(settings, Lane.BULK)) == 1


def test_the_redis_of_railway_keeps_jobs_and_answers_on_both_families(tmp_path: Path) -> None:
    """Given Railway's start command, when a real Redis gets its options, then it is durable, guarded and reachable."""
    needs_ipv6()
    shell, option, script = shlex.split(railway_graph()["service.redis"]["deploy"]["startCommand"])
    start = "exec docker-entrypoint.sh redis-server "
    assert (shell, option, script[: len(start)]) == ("/bin/sh", "-c", start)
    options = shlex.split(script.removeprefix(start).replace("$REDIS_PASSWORD", "secret"))
    with redis_server(tmp_path, *options) as port:
        for host in ("127.0.0.1", "[::1]"):
            with redis.Redis.from_url(f"redis://default:secret@{host}:{port}/0", decode_responses=True) as client:
                kept = {**client.config_get("append*"), **client.config_get("maxmemory-policy")}
                assert (kept["appendonly"], kept["appendfsync"]) == ("yes", "everysec")
                assert kept["maxmemory-policy"] == "noeviction"
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def wait_for_ipv6(port: int) -> None:
    """Wait until somebody listens on the IPv6 loopback port."""
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        with socket.socket(socket.AF_INET6) as probe:
            if probe.connect_ex(("::1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("redis-server did not listen on ::1")
