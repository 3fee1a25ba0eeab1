"""Lines of batch files from anybody: each is read or refused in words, and none is lost."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.batches import MOST_LINE_DEPTH
from common.errors import RequestError
from common.files import FileStore
from common.protocol import ChatCompletionRequest
from tests.support.bulk_runs import chat_line
from worker.bulk.batch_lines import FIELDS, BadLineError, RawLine, raw_lines, read_line

ENDPOINT = "/v1/chat/completions"
MOST_BYTES = 10_000
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def line(text: bytes) -> RawLine:
    """A line alone in its file."""
    return RawLine(1, 0, 0, len(text), text)


def read(text: bytes) -> dict[str, Any] | None:
    """A line's object, None if it was refused."""
    try:
        return read_line(line(text), ENDPOINT, MOST_BYTES)
    except BadLineError:
        return None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_line_or_a_refusal(text: bytes) -> None:
    """Given any bytes, when read as a line, then nothing but our own refusal is raised."""
    found = read(text)
    assert found is None or set(found) == FIELDS


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=10), JSON_VALUES, max_size=5))
def test_any_object_is_a_line_or_a_refusal(value: dict[str, Any]) -> None:
    """Given any JSON object, when read, then it is refused or has the four fields of the right kinds."""
    found = read(json.dumps(value).encode())
    if found is not None:
        assert (found["method"], found["url"]) == ("POST", ENDPOINT)
        assert isinstance(found["body"], dict)


@given(st.dictionaries(st.text(max_size=10), JSON_VALUES, max_size=4))
def test_any_body_is_a_chat_or_a_refusal(body: dict[str, Any]) -> None:
    """Given a line with any body, when its request is made, then nothing but our own refusal is raised."""
    sent = json.loads(chat_line("a", "question"))
    sent["body"] |= body
    found = read(json.dumps(sent).encode())
    if found is None:
        return
    try:
        request = ChatCompletionRequest.parse(found["body"]).generate_request()
    except RequestError:
        return
    # What is accepted can be written for a worker.
    assert request.model_dump_json()


@pytest.mark.parametrize("depth", [MOST_LINE_DEPTH, 400, 900, 5_000])
@pytest.mark.parametrize("inside", ['""', '"\\ud800"'])
def test_deep_lines_are_refused(depth: int, inside: str) -> None:
    """Given nesting over the limit, with and without what must be replaced inside, when read, then it is refused."""
    deep = "[" * depth + inside + "]" * depth
    text = chat_line("a", "q").replace('"body": {', f'"body": {{"x": {deep}, ').encode()
    with pytest.raises(BadLineError) as caught:
        read_line(line(text), ENDPOINT, 1 << 20)
    assert caught.value.code == "invalid_json_line"


@given(st.lists(st.binary(max_size=30), max_size=8), st.integers(1, 40))
def test_lines_cover_the_file_and_can_be_taken_up_anywhere(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], most_bytes: int
) -> None:
    """Given any file, when its lines are read, then nothing between them but blanks is left out, from any line on."""
    data = b"\n".join(pieces)
    files = FileStore(str(tmp_path_factory.mktemp("lines")))
    files.write("in", data)
    lines = list(raw_lines(files, "in", 0, 0, most_bytes))
    assert [found.index for found in lines] == list(range(len(lines)))
    assert [data[found.start : found.end][: most_bytes + 1] for found in lines] == [found.text for found in lines]
    assert b"".join(data[found.start : found.end].strip() for found in lines) == b"".join(
        piece.strip() for piece in data.split(b"\n")
    )
    for found in lines:
        rest = list(raw_lines(files, "in", found.start, found.index, most_bytes))
        assert [(one.index, one.start, one.end, one.text) for one in rest] == [
            (one.index, one.start, one.end, one.text) for one in lines[found.index :]
        ]
