"""Webhook addresses: what may be called and what may not, however it is written."""

import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import WebhookTargetError
from common.name_lookups import NameLookups
from common.webhook_targets import Resolver, TargetPolicy, check_addresses, is_public, parse_target, resolve

PUBLIC = "93.184.215.14"
STRICT = TargetPolicy()


async def looked_up(url: str, resolver: Resolver = resolve) -> tuple[str, ...]:
    """Look the address's host up as acceptance and delivery do."""
    return await NameLookups(resolver).allowed_addresses(parse_target(url, STRICT), STRICT)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1",
        "2001:db8::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "2001:0:0:0:0:0:80ff:fffe",
    ],
)  # fmt: skip
def test_special_addresses_are_not_public(address: str) -> None:
    """Given an address of a special range, also one carried inside IPv6, when judged, then it is not public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    """Given an ordinary address, when judged, then it is public."""
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_mapped_addresses_are_judged_as_what_they_carry(address: ipaddress.IPv4Address) -> None:
    """Given any IPv4 address, when it hides in an IPv6 one, then the verdict is the same."""
    assert is_public(f"::ffff:{address}") == is_public(str(address)) == is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.com/", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("example.com/hook", "must begin with"),
        ("//example.com", "must begin with"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://user@example.com/", "user name"),
        ("https://user:secret@example.com/", "user name"),
        ("https://example.com:22/", "Port 22"),
        ("https://example.com:0/", "Port 0"),
        ("https://example.com:70000/", "Port 70000"),
        ("https://example.com:x/", "not a valid URL"),
        ("https://exa mple.com/", "space"),
        ("https://example.com\\@10.0.0.1/", "backslash"),
        ("https://example.com/\r\nHost: x", "unprintable"),
        ("https://example.com/" + "x" * 2048, "2048"),
        ("https://[::1/", "not a valid URL"),
    ],
)
def test_malformed_addresses_are_refused_with_the_reason(url: str, reason: str) -> None:
    """Given an address that cannot be used, when parsed, then the error says why."""
    with pytest.raises(WebhookTargetError, match=reason):
        parse_target(url, STRICT)


@pytest.mark.parametrize(
    "url",
    ["http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://[::ffff:7f00:1]/"],
)
async def test_other_spellings_of_loopback_are_refused(url: str) -> None:
    """Given loopback in a spelling that resolvers understand, when looked up, then it is refused."""
    with pytest.raises(WebhookTargetError):
        await looked_up(url)


async def test_one_private_address_among_many_is_enough() -> None:
    """Given a name with a public and a private address, when looked up, then it is refused."""
    with pytest.raises(WebhookTargetError, match="private"):
        await looked_up("https://mixed.example/", lambda _host, _port: (PUBLIC, "10.0.0.1"))


async def test_a_second_look_up_sees_a_rebound_name() -> None:
    """Given a name public at acceptance and private at delivery, when looked up again, then delivery is refused."""
    answers = iter([(PUBLIC,), ("169.254.169.254",)])
    assert await looked_up("https://rebind.example/", lambda _host, _port: next(answers)) == (PUBLIC,)
    with pytest.raises(WebhookTargetError, match="private"):
        await looked_up("https://rebind.example/", lambda _host, _port: next(answers))


def test_the_operator_may_allow_private_addresses_and_fewer_schemes() -> None:
    """Given a policy, when checked, then private addresses and low ports pass and http can be forbidden."""
    target = parse_target("http://10.0.0.1:81/", TargetPolicy(allow_private=True))
    check_addresses(target, ["10.0.0.1"], TargetPolicy(allow_private=True))
    with pytest.raises(WebhookTargetError, match="must begin with https"):
        parse_target("http://example.com/", TargetPolicy(schemes=frozenset({"https"})))


def test_international_names_become_ascii() -> None:
    """Given an international name, when parsed, then the host is what the wire carries."""
    target = parse_target("HTTPS://Bücher.example/x?y#z", STRICT)
    assert (target.scheme, target.host, target.port) == ("https", "xn--bcher-kva.example", 443)


@given(st.text(max_size=100))
def test_any_text_is_a_target_or_a_refusal(url: str) -> None:
    """Given any text, when parsed, then nothing but our own refusal is raised."""
    with suppress(WebhookTargetError):
        assert parse_target("https://" + url, STRICT).host
