"""uvicorn as this gateway runs it."""

import signal
import socket
from types import FrameType

import uvicorn

from api.app import create_app
from api.gateway import Gateway
from api.http_protocol import LimitedHttpProtocol
from api.settings import ApiSettings
from common.telemetry import get_logger

BACKLOG_CONNECTIONS = 2048
KEEP_ALIVE_S = 20

log = get_logger(__name__)


class GatewayServer(uvicorn.Server):
    """A server that first ends event streams and long polls at shutdown, so that it does not wait for them."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening and say where."""
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                log.info("listening", url=_url(listener.getsockname()))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is open end, then stop."""
        log.info("stopping")
        self._gateway.stop()
        await super().shutdown(sockets)


def serve(settings: ApiSettings) -> int:
    """Serve until a signal ends it; returns the process's exit code."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        loop="uvloop",
        http=LimitedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )
    server = GatewayServer(config, app.state.gateway)
    # uvicorn raises the signal again once it has stopped; a shutdown that was asked for is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    server.run()
    return 0 if server.started else 1


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _url(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"
