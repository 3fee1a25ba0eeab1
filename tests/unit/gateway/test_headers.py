"""Prefer, Idempotency-Key and Last-Event-ID."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.headers import IDEMPOTENCY_KEY_PATTERN, Preferences, read_event_id, read_idempotency_key, read_preferences
from api.request_errors import MalformedHeaderError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Preferences()),
        (["wait=10"], Preferences(10)),
        (["respond-async, wait=10"], Preferences(10, True)),
        (["respond-async", "WAIT = 10"], Preferences(10, True)),
        (['wait="7"; foo=bar, return=minimal'], Preferences(7)),
        (["wait=5, wait=50"], Preferences(5)),
        (["wait=500"], Preferences(60)),
        (["wait=0"], Preferences(0)),
        (["wait", "wait=-1", "wait=x"], Preferences()),
        (["wait=1e9"], Preferences()),
        (['foo="a, wait=9"'], Preferences()),
        (["wait=²"], Preferences()),
    ],
)
def test_preferences_are_read_as_rfc_7240_says(values: list[str], expected: Preferences) -> None:
    """Given Prefer headers, when read, then the first of each name counts and what is unknown is ignored."""
    assert read_preferences(values, 60) == expected


def test_applied_preferences_are_told() -> None:
    """Given granted preferences, when told, then both are named with the granted wait."""
    assert read_preferences(["respond-async, wait=90"], 60).applied() == "respond-async, wait=60"


@given(st.text(max_size=300))
def test_any_prefer_header_is_harmless(value: str) -> None:
    """Given any text, when read as preferences, then nothing is raised and the wait stays in its range."""
    wait_s = read_preferences([value], 60).wait_s
    assert wait_s is None or 0 <= wait_s <= 60


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, None),
        ('"abc"', "abc"),
        ("abc", "abc"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', r'a"b\c'),
        ("x" * 255, "x" * 255),
    ],
)
def test_idempotency_keys_may_be_quoted_or_bare(value: str | None, key: str | None) -> None:
    """Given a key in either form, when read, then its content counts."""
    assert read_idempotency_key(value) == key


@given(st.text(max_size=30) | st.from_regex(IDEMPOTENCY_KEY_PATTERN, fullmatch=True))
def test_the_described_grammar_is_the_one_that_is_read(value: str) -> None:
    """Given any text without outer blanks, then it is read exactly if the description's pattern allows it."""
    value = value.strip()
    described = re.fullmatch(IDEMPOTENCY_KEY_PATTERN, value) is not None
    try:
        read_idempotency_key(value)
    except MalformedHeaderError:
        assert not described
    else:
        assert described


@pytest.mark.parametrize("value", ["", '""', '"', "a b", 'a"b', "x" * 256, '"' + "x" * 256 + '"', "é", "a\tb"])
def test_malformed_idempotency_keys_are_refused(value: str) -> None:
    """Given a key outside the grammar, when read, then it is refused instead of ignored."""
    with pytest.raises(MalformedHeaderError):
        read_idempotency_key(value)


@pytest.mark.parametrize(("value", "expected"), [(None, None), ("", None), ("0-0", "0-0"), (" 12-3 ", "12-3")])
def test_event_ids_are_read(value: str | None, expected: str | None) -> None:
    """Given an id as the stream sent it, or none, when read, then it comes back."""
    assert read_event_id(value, "Last-Event-ID") == expected


@pytest.mark.parametrize("value", ["1", "-", "a-b", "1-1-1", "+", "(1-0", "1-" + "9" * 20, "１-１", "1-0\r\nx"])
def test_other_event_ids_are_refused(value: str) -> None:
    """Given anything else, when read, then it is refused before Redis sees it."""
    with pytest.raises(MalformedHeaderError):
        read_event_id(value, "Last-Event-ID")
