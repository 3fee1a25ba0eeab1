"""Serves a worker's metrics to Prometheus from a thread."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

EVERY_ADDRESS = "::"


def start_metrics_server(host: str, port: int, registry: CollectorRegistry) -> None:
    """Answer every GET with the registry's metrics, for the life of the process; raises OSError if it cannot listen.

    The host `::` means IPv6 and IPv4 alike, and IPv4 where the kernel has no IPv6.

    Always as plain text: in OpenMetrics the client library writes the colon of `vllm:` as an underscore for scrapers
    that do not ask for UTF-8 names, so a metric's name would depend on who reads it.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Scrapes are not worth a line each."""

    family, address = _family_and_address(host)

    class Server(ThreadingHTTPServer):
        address_family = family
        daemon_threads = True

        def server_bind(self) -> None:
            if host == EVERY_ADDRESS and family == socket.AF_INET6:
                # Some kernels are set up to give IPv6 sockets no IPv4 unless asked.
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    server = Server((address, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _family_and_address(host: str) -> tuple[socket.AddressFamily, str]:
    if host == EVERY_ADDRESS and not socket.has_dualstack_ipv6():
        return socket.AF_INET, ""
    return (socket.AF_INET6 if ":" in host else socket.AF_INET), host
