"""uvicorn as this gateway runs it."""

import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.gateway import Gateway
from api.http_protocol import LimitedHttpProtocol
from api.listener import sockets_for
from api.settings import ApiSettings
from common.telemetry import get_logger

BACKLOG_CONNECTIONS = 2048
# Above the 60 s after which proxies of platforms give up an idle connection: the side that sends must close first, or
# it may send a request into a connection that is just being closed.
KEEP_ALIVE_S = 75

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
    try:
        sockets = sockets_for(settings.api_host, settings.api_port)
    except OSError as error:
        log.error("cannot listen", host=settings.api_host, port=settings.api_port, reason=str(error))
        return 1
    app = create_app(settings)
    server = GatewayServer(server_config(app, settings), app.state.gateway)
    # uvicorn raises the signal again once it has stopped; a shutdown that was asked for is a success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    server.run(sockets)
    return 0 if server.started else 1


def server_config(app: FastAPI, settings: ApiSettings) -> uvicorn.Config:
    """Return uvicorn's configuration for the gateway."""
    return uvicorn.Config(
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
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=settings.api_trusted_proxies,
        backlog=BACKLOG_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=settings.shutdown_timeout_s,
    )


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _url(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"
