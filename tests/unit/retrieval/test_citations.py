"""Quotes that stand on their pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pages import Document, MediaKind, Page
from worker.retrieval.citations import cite, find_quote, find_words, is_valid, line_around

_TEXT = "Net sales rose.\nInventories | 5,372 |  | 4,985\nThe Company’s  results were “strong”."
_DOCUMENT = Document("0" * 64, "a.pdf", MediaKind.PDF, (Page(1, "Cover"), Page(2, _TEXT)))


@pytest.mark.parametrize(
    ("quote", "printed"),
    [
        ("Inventories 5,372 4,985", "Inventories | 5,372 |  | 4,985"),
        ('The Company\'s results were "strong".', "The Company’s  results were “strong”."),
        ("rose. Inventories", "rose.\nInventories"),
    ],
)
def test_quotes_are_found_through_layout(quote: str, printed: str) -> None:
    """Given a quote in other spacing, when it is cited, then the page's own words and offsets come back."""
    citation = cite(_DOCUMENT, 2, quote)
    assert citation is not None
    assert citation.quote == printed == _TEXT[citation.start : citation.end]
    assert is_valid(citation, _DOCUMENT)


@pytest.mark.parametrize("quote", ["Inventories 5,373", "net sales rose", "", "ab", "Cover"])
def test_what_is_not_there_is_not_cited(quote: str) -> None:
    """Given words that the page does not hold, when they are cited, then there is no citation."""
    assert cite(_DOCUMENT, 2, quote) is None


def test_a_page_that_is_not_there_raises() -> None:
    """Given a page number beyond the document, when it is cited, then an IndexError says so."""
    with pytest.raises(IndexError):
        cite(_DOCUMENT, 3, "Cover")


def test_lines_are_found_around_a_place() -> None:
    """Given a place in a row, when its line is asked for, then the whole row comes."""
    at = _TEXT.index("5,372")
    start, end = line_around(_TEXT, at, at + 5)
    assert _TEXT[start:end] == "Inventories | 5,372 |  | 4,985"


@given(st.text(alphabet="ab |\n ’5,", min_size=1, max_size=60), st.integers(0, 59), st.integers(3, 20))
def test_every_stretch_of_a_page_is_found_on_it(text: str, start: int, length: int) -> None:
    """Given any stretch of any page, when it is looked up, then a place with the same words is found."""
    stretch = text[start : start + length]
    words = stretch.replace("|", " ").split()
    if len(" ".join(words)) < 3:
        return
    span = find_quote(text, stretch)
    assert span is not None
    assert text[span[0] : span[1]].replace("|", " ").split() == words


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ("Note 5. pending in November. No claims.", "No", (29, 31)),
        ("Our network", "two", None),
        ("Level 12 and Level 1", "Level 1", (13, 20)),
        ("See US1 and Goodwill2", "US", (4, 6)),
        ("All customers pay", "customer", (4, 12)),
        ("Net  sales", "Net sales", (0, 10)),
        ("anything", "", None),
    ],
)
def test_words_are_found_whole(text: str, words: str, place: tuple[int, int] | None) -> None:
    """Given words to quote, when they are sought, then no number is cut, nor a word by a few letters."""
    assert find_words(text, words) == place
