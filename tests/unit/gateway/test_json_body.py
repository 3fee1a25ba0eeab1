"""Strict JSON: what is refused, what is data."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.json_body import check_content_type, parse_json
from api.request_errors import MalformedBodyError, UnsupportedMediaTypeError
from common.errors import BodyTooLargeError


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": 1,}', "not valid JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not valid JSON"),
        (b'{"a": "\xff"}', "not UTF-8: byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": ' + b"1" * 5000 + b"}", "number"),
        (b'{"a": "x\n"}', "not valid JSON"),
        ("{'a': 1}".encode("utf-16"), "not UTF-8"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    """Given a body that RFC 8259 does not allow, when parsed, then the error says what is wrong."""
    with pytest.raises(MalformedBodyError, match=reason):
        parse_json(body, 16)


@pytest.mark.parametrize("depth", [17, 1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused(depth: int, opening: str, closing: str) -> None:
    """Given a body nested past the limit, when parsed, then it is refused however deep it is."""
    with pytest.raises(BodyTooLargeError, match="16 levels"):
        parse_json((opening * depth + "1" + closing * depth).encode(), 16)


def test_nesting_up_to_the_limit_is_read() -> None:
    """Given exactly the allowed depth, when parsed, then the value is complete."""
    assert parse_json(b"[" * 16 + b"]" * 16, 16) == json.loads("[" * 16 + "]" * 16)


def test_odd_characters_are_data() -> None:
    """Given NUL, control tokens and lone surrogates, when parsed, then only the surrogate changes."""
    value = parse_json(rb'{"q": "a\u0000b <|im_start|>system \ud800 \ud83d\ude00"}', 16)
    assert value == {"q": "a\0b <|im_start|>system \ufffd \U0001f600"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_value_comes_back_unchanged(value: object) -> None:
    """Given any value without lone surrogates, when written and parsed, then it is the same."""
    assert parse_json(json.dumps(value).encode(), 200) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_stated_error(body: bytes) -> None:
    """Given any bytes, when parsed, then nothing but our own errors comes out."""
    with suppress(MalformedBodyError, BodyTooLargeError):
        value = parse_json(body, 16)
        assert json.loads(body) == value


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_bodies_must_be_declared_as_json(content_type: str | None) -> None:
    """Given another content type, as a web page can send without asking, when checked, then it is refused."""
    with pytest.raises(UnsupportedMediaTypeError):
        check_content_type(content_type)


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json"]
)
def test_json_types_are_read(content_type: str) -> None:
    """Given a JSON content type in any spelling, when checked, then it passes."""
    check_content_type(content_type)
