"""Contexts as text: tables that headings cut, captions above them, and where a table ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.contexts import parse_context

WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
STATEMENT = """January 28, 2023 | January 29, 2022
Net sales | $3,226,773 | $2,729,388
Net income per common share:
Basic | $6.73 | $5.44"""


def test_headings_between_rows_are_sections_of_one_table() -> None:
    """Given a statement whose headings have no cells, when it is read, then every row keeps its columns' names."""
    document = parse_context(" | 2023 | 2022\nRevenue:\nGoods | 5 | 4\nOther revenue\nand fees:\nRent | 2 | 1")
    (table,) = document.tables
    assert table.text() == ("Revenue:\nGoods: 2023=5; 2022=4\nOther revenue:\nand fees:\nRent: 2023=2; 2022=1")
    assert document.paragraphs == ()


@pytest.mark.parametrize(
    "between",
    [
        "Revenue grew because prices rose.",
        "a\nb\nc\nd",
        "",
        "x" * 201,
    ],
)
def test_text_ends_a_table(between: str) -> None:
    """Given a sentence, many lines, a blank or a long line between rows, then the rows behind it are another table."""
    document = parse_context(f" | 2023 | 2022\nGoods | 5 | 4\n{between}\nRent | 2 | 1\nFees | 3 | 3")
    assert [len(table.rows) for table in document.tables] == [1, 2]
    assert document.tables[1].columns == ("", "")


def test_another_header_or_width_begins_another_table() -> None:
    for second in (" | 2021 | 2020\nRent | 2 | 1", "Rent | 2 | 1 | 0\nFees | 2 | 1 | 0"):
        document = parse_context(f" | 2023 | 2022\nGoods | 5 | 4\nLeases\n{second}")
        assert len(document.tables) == 2
        assert document.paragraphs == ("Leases",)


def test_a_caption_above_a_table_is_part_of_its_title() -> None:
    document = parse_context(f"Exhibit 1\n13 Weeks Ended\n | {STATEMENT}")
    assert document.tables[0].title == "13 Weeks Ended, January 28, 2023; January 29, 2022"
    assert document.paragraphs == ("Exhibit 1",)
    prose = "Sales rose in the year ended January 28, 2023, which had one week more than the year before."
    assert parse_context(f"{prose}\n | {STATEMENT}").paragraphs == (prose,)


def test_lines_that_a_page_wrapped_are_paragraphs_again() -> None:
    """Given prose cut at the page's width, when it is read, then sentences are whole and headings stay alone."""
    lines = [
        "Results",
        *(f"This sentence is number {word} of those that fill the page up to its margin." for word in WORDS),
        "Net sales increased 18.2% to $3.2 billion compared to $2.7 billion in the fourth",
        "quarter of fiscal 2021. Gross profit rose to 37.6% of net sales, mainly because of",
        "Lower shrink and higher prices.",
        "Outlook",
        "For fiscal 2023, the company plans to open new stores, to remodel others, and to buy",
        "back shares.",
    ]
    assert parse_context("\n".join(lines)).paragraphs == (
        *lines[:9],
        " ".join(lines[9:12]),
        "Outlook",
        " ".join(lines[13:]),
    )


def test_rows_without_bars_are_never_joined() -> None:
    """Given evidence as prompts hold it, when it is sent as a context, then every row stays a line of its own."""
    rows = tuple(f"cash provided by activities of kind {word}: 2014=7385; 2013=6823; 2012=6161" for word in WORDS)
    assert parse_context("\n".join(rows)).paragraphs == rows


def test_long_paragraphs_and_lists_are_left_alone() -> None:
    """Given paragraphs that no page cut, when they are read, then each stays one, with and without a full stop."""
    paragraphs = ("Free cash flow is used " + "to plan and to report " * 12, "it excludes interest", "and taxes")
    assert parse_context("\n".join(paragraphs)).paragraphs == tuple(" ".join(text.split()) for text in paragraphs)


PIECES = (
    "# | 9",
    "# | 9 | 8",
    " | # | 2021",
    "#",
    "#:",
    "Year ended # 30",
    "as of #",
    "# lower case goes on",
    "",
    "---",
)
LONG = "# fills the line of a page up to its margin, and that page has many such lines"


@given(st.lists(st.sampled_from((*PIECES, LONG, LONG.replace("#", "and #"))), max_size=40))
def test_no_word_is_lost(pieces: list[str]) -> None:
    """Given any lines, when they are read, then every word of theirs is in a table or a paragraph."""
    lines = [piece.replace("#", f"w{number}x") for number, piece in enumerate(pieces)]
    document = parse_context("\n".join(lines))
    found = str(document)
    assert [number for number, piece in enumerate(pieces) if "#" in piece and f"w{number}x" not in found] == []
