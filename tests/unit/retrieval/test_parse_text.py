"""Plain text and markdown as pages."""

import pytest

from common.pages import Document
from worker.retrieval.parse import parse_document
from worker.retrieval.problems import DocumentError, Problem


def test_a_line_of_years_stands_over_the_figures_below_it() -> None:
    """Given a typed table, when it is read, then years and a total without a label stand in their columns."""
    rows = ("Revenue report", "                 2003      2002", "Net sales       1,234     1,111", "\t5,678\t5,555")
    labelled = ("        1      Business      3", "        收入      1,234")
    page = parse_document("a.txt", "\n".join((*rows, *labelled)).encode()).page(1).text
    assert page.split("\n")[1:] == [
        " | 2003 | 2002",
        "Net sales | 1,234 | 1,111",
        " | 5,678 | 5,555",
        "1 | Business | 3",
        "收入 | 1,234",
    ]


def test_form_feeds_end_pages_and_typewriter_tables_become_rows() -> None:
    """Given a text filing, when it is read, then form feeds are pages and wide gaps before figures are cells."""
    document = parse_document("a.txt", b"Revenue report\nNet sales      1,234     1,111\n\fNotes about cash")
    assert document.page(1).text == "Revenue report\nNet sales | 1,234 | 1,111"
    assert document.page(2).text == "Notes about cash"


def test_markdown_tables_keep_empty_cells() -> None:
    """Given a markdown table, when it is read, then bars and rules are gone and the empty head cell is kept."""
    document = parse_document("a.md", b"# Revenue\n\n| | 2022 |\n|---|---:|\n| Net sales | 5 |\n")
    assert document.page(1).text.split("\n") == ["# Revenue", " | 2022", "Net sales | 5"]


def test_binary_files_are_refused() -> None:
    """Given bytes that are no text, when they are read, then the file is refused as the wrong type."""
    with pytest.raises(DocumentError) as caught:
        parse_document("a.txt", bytes(range(32)) * 50)
    assert caught.value.problem is Problem.WRONG_TYPE


def test_documents_survive_their_bytes() -> None:
    """Given a document, when it is written and read, then it is equal, and equal documents are equal bytes."""
    document = parse_document("a.txt", "Umsatz €5 revenue".encode())
    assert Document.from_bytes(document.to_bytes()) == document
    assert document.to_bytes() == parse_document("a.txt", "Umsatz €5 revenue".encode()).to_bytes()


def test_pages_count_from_one() -> None:
    """Given one page, when page 0 or 2 is asked for, then an IndexError says which pages there are."""
    document = parse_document("a.txt", b"cash")
    assert document.page(1).number == 1
    for number in (0, 2):
        with pytest.raises(IndexError, match="pages 1 to 1"):
            document.page(number)
