"""Serves a worker's metrics to Prometheus from a thread."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4


def start_metrics_server(host: str, port: int, registry: CollectorRegistry) -> None:
    """Answer every GET with the registry's metrics, for the life of the process; raises OSError if the port is taken.

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

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        daemon_threads = True

    server = Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
