"""Text that is shown while it grows must never have to be taken back."""

from hypothesis import given
from hypothesis import strategies as st

from worker.engine.fake import ByteTokenizer
from worker.engine.text import TextAssembler

TEXTS = st.text(alphabet="ab€ß\U0001f600 \n", max_size=60)


def feed(token_ids: list[int], stop: tuple[str, ...] = ()) -> tuple[list[str], TextAssembler]:
    """Push tokens as the loop does; returns the text after each."""
    assembler = TextAssembler(ByteTokenizer(), stop)
    shown = []
    for token_id in token_ids:
        assembler.push(token_id)
        shown.append(assembler.text)
        if assembler.stopped:
            break
    return shown, assembler


@given(TEXTS, st.lists(st.text(alphabet="ab€ ", min_size=1, max_size=4), max_size=3))
def test_text_only_grows_and_ends_before_the_stop_string_that_is_complete_first(text: str, stop: list[str]) -> None:
    shown, assembler = feed(list(text.encode()), tuple(stop))
    final = assembler.finish()
    found = [(text.find(string) + len(string), text.find(string)) for string in stop if string in text]
    assert final == (text[: min(found)[1]] if found else text)
    assert assembler.stopped == bool(found)
    assert all(final.startswith(part) for part in shown)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_text_end_as_the_whole_decodes(data: bytes) -> None:
    shown, assembler = feed(list(data))
    final = assembler.finish()
    assert final == data.decode("utf-8", "replace")
    assert all(final.startswith(part) for part in shown)


def test_an_unfinished_character_is_held_back() -> None:
    shown, assembler = feed(list("a€".encode()))
    assert shown == ["a", "a", "a", "a€"]
    assert assembler.finish() == "a€"


def test_the_start_of_a_stop_string_is_held_back_until_it_is_none() -> None:
    shown, _ = feed(list(b"x<e<end>y"), ("<end>",))
    assert shown == ["x", "x", "x", "x<e", "x<e", "x<e", "x<e", "x<e"]
