"""What a streaming client gets of an answer that workers began several times."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.sent_text import SentText, TextChangedError


@st.composite
def attempts(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """An answer, and how several workers in turn said the beginning of it in pieces."""
    text = draw(st.text(max_size=30))
    told = []
    for _ in range(draw(st.integers(1, 4))):
        end = draw(st.integers(0, len(text)))
        cuts = sorted({0, end, *draw(st.lists(st.integers(0, end), max_size=4))})
        told.append([text[start:stop] for start, stop in pairwise(cuts)])
    return text, told


@given(attempts())
def test_every_character_is_sent_once(story: tuple[str, list[list[str]]]) -> None:
    """Given an answer begun several times, when its events and its end are read, then the client has it once."""
    text, told = story
    sent = SentText("job_1")
    received = ""
    for pieces in told:
        sent.restart()
        offset = 0
        for piece in pieces:
            received += sent.add({"offset": offset, "text": piece})
            offset += len(piece)
    assert received + sent.rest(text) == text


def test_an_answer_that_changed_is_not_mixed() -> None:
    """Given text that was sent, when another attempt or the result says otherwise, then it is an error."""
    sent = SentText("job_1")
    assert sent.add({"offset": 0, "text": "It was $5"}) == "It was $5"
    sent.restart()
    assert sent.add({"offset": 0, "text": "It was"}) == ""
    with pytest.raises(TextChangedError, match="job_1"):
        sent.add({"offset": 6, "text": " $7"})
    with pytest.raises(TextChangedError):
        sent.rest("It was")
