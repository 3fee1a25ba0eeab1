"""Request bodies: read under a size and time limit, then parsed as strictly as RFC 8259 asks."""

import asyncio
import json
import re
from typing import Any, Never

from fastapi import Request

from api.request_errors import BodyTimeoutError, MalformedBodyError, UnsupportedMediaTypeError
from common.errors import BodyTooLargeError

_JSON_TYPE = re.compile(r"^application/([a-z0-9.+-]+\+)?json\s*(;|$)", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def check_content_type(content_type: str | None) -> None:
    """Raise UnsupportedMediaTypeError unless the body is declared as JSON.

    A declared type also keeps foreign web pages from posting here, as browsers ask before they send one.
    """
    if content_type is None or not _JSON_TYPE.match(content_type):
        raise UnsupportedMediaTypeError("Send the body with the header `Content-Type: application/json`.")


async def read_body(request: Request, most_bytes: int, timeout_s: float) -> bytes:
    """Return the whole body; raises BodyTooLargeError as soon as it passes the limit, BodyTimeoutError when late."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most_bytes:
                    raise _too_large(most_bytes)
    except TimeoutError as error:
        raise BodyTimeoutError(f"The body did not arrive within {timeout_s:g} seconds.") from error
    return bytes(body)


def parse_json(body: bytes, most_depth: int) -> Any:
    """Return the JSON value of a body; raises MalformedBodyError or, when nested too deep, BodyTooLargeError.

    Numbers that are not finite and repeated names are refused. Escaped surrogates without a partner become U+FFFD,
    as they have no UTF-8 form; all other characters, NUL included, are kept.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_names)
    except UnicodeDecodeError as error:
        raise MalformedBodyError(f"The body is not UTF-8: byte {error.start} cannot be read.") from error
    except RecursionError as error:
        raise _too_deep(most_depth) from error
    except json.JSONDecodeError as error:
        raise MalformedBodyError(
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from error
    except ValueError as error:
        raise MalformedBodyError(f"The body holds a number that cannot be read: {error}.") from error
    return _checked(value, 0, most_depth)


def _checked(value: Any, depth: int, most_depth: int) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub(REPLACEMENT, value)
    if not isinstance(value, dict | list):
        return value
    if depth == most_depth:
        raise _too_deep(most_depth)
    if isinstance(value, list):
        return [_checked(item, depth + 1, most_depth) for item in value]
    return {_SURROGATE.sub(REPLACEMENT, name): _checked(item, depth + 1, most_depth) for name, item in value.items()}


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        raise MalformedBodyError("The body holds an object in which a name appears twice.")
    return names


def _refuse_constant(name: str) -> Never:
    raise MalformedBodyError(f"The body holds {name}, which is not a JSON number.")


def _too_large(most_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is larger than {most_bytes} bytes.")


def _too_deep(most_depth: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is nested deeper than {most_depth} levels.")
