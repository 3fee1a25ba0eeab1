"""Request headers with a grammar of their own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from api.request_errors import MalformedHeaderError

IDEMPOTENCY_KEY = "Idempotency-Key"
LAST_EVENT_ID = "Last-Event-ID"
EVENT_ID_PATTERN = r"^([0-9]{1,19}-[0-9]{1,19})?$"
IDEMPOTENCY_KEY_PATTERN = r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-~]{1,255})$'
_BARE_KEY = re.compile(r"^[\x21\x23-\x7e]{1,255}$")
_QUOTED_KEY = re.compile(r'^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"$')
_STREAM_ID = re.compile(r"^(\d{1,20})-(\d{1,20})$", re.ASCII)
_PREFERENCE = re.compile(
    r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s,;"]*))?\s*(?:;[^,]*)?(?:,|$)'
)
_LARGEST_STREAM_NUMBER = 2**64 - 1
_MOST_PREFER_CHARACTERS = 1_024


@dataclass(frozen=True, slots=True)
class Preferences:
    """What of RFC 7240 this service knows; preferences it cannot read are ignored, as the RFC asks."""

    wait_s: float | None = None
    respond_async: bool = False

    def applied(self) -> str:
        """Return the value of Preference-Applied, empty if nothing was."""
        parts = ["respond-async"] if self.respond_async else []
        if self.wait_s is not None:
            parts.append(f"wait={self.wait_s:g}")
        return ", ".join(parts)


def read_preferences(values: Sequence[str], most_wait_s: float) -> Preferences:
    """Read the Prefer headers; the wait is cut to what the service grants."""
    text = ", ".join(values)[:_MOST_PREFER_CHARACTERS]
    found: dict[str, str] = {}
    for match in _PREFERENCE.finditer(text):
        found.setdefault(match[1].lower(), (match[2] or "").strip('"'))
    wait = found.get("wait", "")
    wait_s = min(float(wait), most_wait_s) if wait.isascii() and wait.isdecimal() else None
    return Preferences(wait_s, "respond-async" in found)


def read_idempotency_key(value: str | None) -> str | None:
    """Read a key as a quoted string (draft-ietf-httpapi-idempotency-key-header-07) or bare; None if there is none."""
    if value is None:
        return None
    value = value.strip()
    if quoted := _QUOTED_KEY.match(value):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if _BARE_KEY.match(value):
        return value
    raise MalformedHeaderError(
        'An Idempotency-Key is 1 to 255 printable ASCII characters, best in quotes: "8e03978e-40d5".', IDEMPOTENCY_KEY
    )


def read_event_id(value: str | None, field: str) -> str | None:
    """Read the id of an event already seen; None if there is none."""
    if value is None or not value.strip():
        return None
    match = _STREAM_ID.match(value.strip())
    if match is None or max(int(match[1]), int(match[2])) > _LARGEST_STREAM_NUMBER:
        raise MalformedHeaderError("An event id reads like 1763925600123-0, as the stream sent it.", field)
    return match[0]
