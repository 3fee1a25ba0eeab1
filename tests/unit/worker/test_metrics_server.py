"""Where a worker's metrics can be read, and what is said where they cannot."""

import socket

import httpx
import pytest

from common.errors import ConfigurationError
from tests.support.redis_process import free_port
from worker.metrics import serve_metrics
from worker.settings import WorkerSettings

dual_stack = pytest.mark.skipif(
    not socket.has_dualstack_ipv6(),
    reason="the kernel has no IPv6; see test_without_ipv6_it_is_ipv4",
)


def serve(host: str, port: int) -> None:
    serve_metrics(WorkerSettings(metrics_host=host, metrics_port=port))


def read(host: str, port: int) -> str:
    return httpx.get(f"http://{host}:{port}/metrics", trust_env=False).text


@dual_stack
@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
def test_every_address_means_both_families(address: str) -> None:
    """Given the host ::, when asked over IPv4 and over IPv6, then it answers both."""
    port = free_port()
    serve("::", port)
    assert "vllm:generation_tokens_total" in read(address, port)


@dual_stack
def test_ipv4_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a kernel that may give IPv6 sockets no IPv4, when :: is listened on, then the option is cleared."""
    cleared = []
    set_option = socket.socket.setsockopt

    def spy(self: socket.socket, level: int, option: int, value: int) -> None:
        cleared.append((level, option, value))
        set_option(self, level, option, value)

    monkeypatch.setattr(socket.socket, "setsockopt", spy, raising=False)
    serve("::", free_port())
    assert (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0) in cleared


def test_without_ipv6_it_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a kernel without IPv6, when :: is listened on, then IPv4 answers."""
    create = socket.socket.__init__

    def refuse(self: socket.socket, family: int = -1, *rest: int, **named: int) -> None:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        create(self, family, *rest, **named)

    monkeypatch.setattr(socket.socket, "__init__", refuse)
    port = free_port()
    serve("::", port)
    assert "vllm:generation_tokens_total" in read("127.0.0.1", port)


def test_a_taken_port_asks_for_another() -> None:
    """Given a port somebody listens on, when it is asked for, then the error names it and says to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"FINANCELLM_METRICS_PORT {port} .*Choose another port"):
            serve("127.0.0.1", port)


def test_a_foreign_address_is_no_matter_of_the_port() -> None:
    """Given an address of another machine, when it is to be listened on, then the error names the host alone."""
    with pytest.raises(ConfigurationError, match=r"FINANCELLM_METRICS_HOST 192\.0\.2\.1") as raised:
        serve("192.0.2.1", free_port())
    assert "Choose another port" not in raised.value.message
