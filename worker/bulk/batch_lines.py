"""Lines of an OpenAI batch file: read one at a time, checked without being kept."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.batches import MOST_LINE_DEPTH
from common.bulk import LineError
from common.files import FileStore

FIELDS = {"custom_id", "method", "url", "body"}
MOST_CUSTOM_ID_CHARACTERS = 512
BYTE_ORDER_MARK = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")


class BadLineError(Exception):
    """A line that refuses the batch."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line that is not blank: `number` counts from one, blank lines included; `index` from zero, without them."""

    number: int
    index: int
    start: int
    end: int
    text: bytes


def raw_lines(files: FileStore, key: str, start: int, index: int, most_bytes: int) -> Iterator[RawLine]:
    """Yield the lines from a byte position on; of a line over the limit `most_bytes` + 1 bytes are kept."""
    with files.open(key) as file:
        file.seek(start)
        at, number = start, 0
        while text := file.readline(most_bytes + 1):
            number += 1
            begin, at = at, at + len(text)
            if len(text) > most_bytes:
                at += _skip_rest(file, text, most_bytes)
            # Blanks over the limit may hide a request behind them.
            if text.strip() or len(text) > most_bytes:
                yield RawLine(number, index, begin, at, text)
                index += 1


def _skip_rest(file: Any, text: bytes, most_bytes: int) -> int:
    skipped = 0
    while not text.endswith(b"\n") and (text := file.readline(most_bytes + 1)):
        skipped += len(text)
    return skipped


def read_line(line: RawLine, endpoint: str, most_bytes: int) -> dict[str, Any]:
    """Return a line's object with its four fields checked; raises BadLineError."""
    if len(line.text) > most_bytes:
        raise BadLineError("line_too_long", f"The line is longer than {most_bytes} bytes.")
    try:
        value = json.loads(line.text.decode("utf-8").lstrip(BYTE_ORDER_MARK))
    except (ValueError, RecursionError) as error:
        raise BadLineError("invalid_json_line", f"The line is not valid JSON: {str(error)[:200]}.") from error
    value = _checked(value, 0)
    if not isinstance(value, dict):
        raise BadLineError("invalid_json_line", "The line is not a JSON object.")
    if unknown := sorted(set(value) - FIELDS):
        raise BadLineError("unknown_field", f"The field {unknown[0][:64]!r} is not known.", unknown[0][:64])
    for name in sorted(FIELDS):
        if name not in value:
            raise BadLineError("missing_required_parameter", f"The field {name!r} is missing.", name)
    _check_fields(value, endpoint)
    return value


def digest(text: str) -> bytes:
    """Return 16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def line_error(line: RawLine, error: BadLineError) -> LineError:
    """Return what is wrong with a line, by its number."""
    return LineError(code=error.code, message=str(error), line=line.number, param=error.param)


def _checked(value: Any, depth: int) -> Any:
    """Return the value without escaped surrogates that have no partner, as they have no UTF-8 form."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if not isinstance(value, list | dict):
        return value
    if depth == MOST_LINE_DEPTH:
        raise BadLineError("invalid_json_line", f"The line is nested deeper than {MOST_LINE_DEPTH} levels.")
    if isinstance(value, list):
        return [_checked(item, depth + 1) for item in value]
    return {_checked(name, depth): _checked(item, depth + 1) for name, item in value.items()}


def _check_fields(value: dict[str, Any], endpoint: str) -> None:
    custom_id = value["custom_id"]
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= MOST_CUSTOM_ID_CHARACTERS:
        words = f"custom_id must be a text of 1 to {MOST_CUSTOM_ID_CHARACTERS} characters."
        raise BadLineError("invalid_custom_id", words, "custom_id")
    if value["method"] != "POST":
        raise BadLineError(
            "invalid_method", f"method is {str(value['method'])[:64]!r}; only POST is possible.", "method"
        )
    if value["url"] != endpoint:
        words = f"url is {str(value['url'])[:64]!r}; it must be the batch's endpoint {endpoint}."
        raise BadLineError("invalid_url", words, "url")
    if not isinstance(value["body"], dict):
        raise BadLineError("invalid_body", "body must be a JSON object.", "body")
