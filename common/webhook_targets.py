"""Which webhook addresses may be called, checked when a job is accepted and again at every delivery.

The second check matters: a name may resolve to a public address at acceptance and to a private one later (DNS
rebinding). Whoever delivers should therefore connect to an address that `NameLookups.allowed_addresses` just returned.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

from common.errors import WebhookTargetError

MAX_URL_CHARACTERS = 2048
FIELD = "webhook"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_UNPRIVILEGED_PORT = 1024

# Public addresses that answer with a cloud machine's credentials or settings; the others are link-local or private.
_METADATA_ADDRESSES = frozenset({ipaddress.IPv4Address("168.63.129.16")})
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Special-purpose ranges of the IANA registries that some Python releases take for global.
_SPECIAL_RANGES = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("192.0.0.0/24", "192.88.99.0/24"),
        *("64:ff9b:1::/48", "100::/64", "2001::/23", "3fff::/20", "5f00::/16", "fec0::/10"),
    )
)

Resolver = Callable[[str, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """What the operator allows; `allow_private` also lifts the rule on ports."""

    allow_private: bool = False
    schemes: frozenset[str] = field(default_factory=lambda: frozenset({"http", "https"}))


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A well-formed address; `host` is ASCII (IDNA), without brackets."""

    url: str
    scheme: str
    host: str
    port: int


def parse_target(url: str, policy: TargetPolicy) -> WebhookTarget:
    """Read an address as the delivering client will read it; raises WebhookTargetError that says what is wrong."""
    if len(url) > MAX_URL_CHARACTERS:
        raise _refusal(f"The address has {len(url)} characters; at most {MAX_URL_CHARACTERS} are allowed.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise _refusal("The address holds a space, a backslash or an unprintable character.")
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise _refusal(f"The address is not a valid URL: {error}.") from error
    if parts.scheme not in policy.schemes:
        allowed = " or ".join(sorted(policy.schemes))
        raise _refusal(f"The address must begin with {allowed}, not {parts.scheme[:32] or 'nothing'!r}.")
    if not parts.host:
        raise _refusal("The address names no host.")
    if parts.userinfo:
        raise _refusal("The address must not hold a user name or password.")
    port = _DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    if not 0 < port < 65536:
        raise _refusal(f"Port {port} does not exist.")
    if port < _FIRST_UNPRIVILEGED_PORT and port not in _DEFAULT_PORTS.values() and not policy.allow_private:
        raise _refusal(f"Port {port} is not allowed; use 80, 443 or a port from {_FIRST_UNPRIVILEGED_PORT} on.")
    return WebhookTarget(url, parts.scheme, parts.raw_host.decode("ascii").strip("[]"), port)


def is_public(address: str) -> bool:
    """Tell whether an IP address is reachable on the public internet and belongs to no special range.

    IPv4 addresses carried inside IPv6 (mapped, compatible, 6to4, Teredo, NAT64) are judged by the IPv4 address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _carried_ipv4(ip) or ip
    if ip.is_multicast or ip.is_reserved or ip in _METADATA_ADDRESSES:
        return False
    return ip.is_global and not any(ip in network for network in _SPECIAL_RANGES)


def check_addresses(target: WebhookTarget, addresses: Iterable[str], policy: TargetPolicy) -> None:
    """Raise WebhookTargetError if any address of the target is not public, unless the policy allows private ones."""
    if policy.allow_private:
        return
    for address in addresses:
        if not is_public(address):
            raise _refusal(f"{target.host[:255]!r} is or resolves to a private or reserved address.")


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Look up a host's addresses; blocks, raises OSError or UnicodeError if there are none."""
    found: list[tuple[Any, ...]] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _carried_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    if ip in _NAT64 or ip in _IPV4_COMPATIBLE:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None


def _refusal(message: str) -> WebhookTargetError:
    return WebhookTargetError(message, FIELD)
