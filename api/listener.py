"""Where the gateway listens: the address `::` means IPv6 and IPv4 alike, for networks that have only one of them."""

import socket

EVERY_ADDRESS = "::"


def sockets_for(host: str, port: int) -> list[socket.socket] | None:
    """Return a socket for each address family if `host` is `::`, None where the server binds by itself.

    Event loops bind `::` to IPv6 alone, and one socket for both would show IPv4 clients as IPv6 addresses, which no
    list of trusted proxies names. A kernel without IPv6 listens on IPv4. Raises OSError if the port is taken.
    """
    if host != EVERY_ADDRESS:
        return None
    ipv4 = socket.create_server(("", port))
    if not _has_ipv6():
        return [ipv4]
    return [ipv4, socket.create_server((host, ipv4.getsockname()[1]), family=socket.AF_INET6)]


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return False
    return True
