"""EDGAR's complete submission files: each document read as what it is, what has no text left out."""

import pytest

from common.pages import MediaKind
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse import parse_document
from worker.retrieval.problems import DocumentError, Problem

HEADER = "<SEC-DOCUMENT>0000000000-24-000001.txt : 20241101\n<SEC-HEADER>\nCONFORMED NAME: ACME\n</SEC-HEADER>\n"
REPORT = (
    "<XBRL>\n<?xml version='1.0'?><html><body><p>Revenue of the year</p><table>"
    "<tr><td></td><td>2024</td></tr><tr><td>Net sales</td><td>1,234</td></tr></table></body></html>\n</XBRL>"
)
TYPED = "Exhibit of costs\n                   2024      2023\nCosts             7,001     6,500\n"
PICTURE = "begin 644 logo.jpg\nM_]C_X``02D9)1@`!`0$`8`!@``#_VP!#``@&!@<&!0@'!P<)\n`\nend"


def document(kind: str, name: str, text: str) -> str:
    """One document between its tags."""
    head = f"<TYPE>{kind}\n<SEQUENCE>1\n<FILENAME>{name}\n<DESCRIPTION>X\n"
    return f"<DOCUMENT>\n{head}<TEXT>\n{text}\n</TEXT>\n</DOCUMENT>\n"


def test_each_document_of_a_submission_is_read_as_what_it_is() -> None:
    # Given a report in HTML, an exhibit of typed text, a picture, XBRL facts and their rendering
    parts = (
        document("10-K", "a.htm", REPORT),
        document("EX-99.1", "b.txt", TYPED),
        document("GRAPHIC", "logo.jpg", PICTURE),
        document("EX-99.2", "scan.jpg", PICTURE),
        document("EX-101.INS", "a.xml", "<XBRL><xbrl><us-gaap:Revenues>1234</us-gaap:Revenues></xbrl></XBRL>"),
        document("XML", "R1.htm", REPORT),
    )
    # When the file is read
    read = parse_document("acme.txt", (HEADER + "".join(parts) + "</SEC-DOCUMENT>\n").encode())
    # Then report and exhibit are its pages, with their columns, and nothing else is
    assert read.kind is MediaKind.HTML
    assert [page.text.split("\n") for page in read.pages] == [
        ["Revenue of the year", " | 2024", "Net sales | 1,234"],
        ["Exhibit of costs", " | 2024 | 2023", "Costs | 7,001 | 6,500"],
    ]
    assert [page.number for page in read.pages] == [1, 2]
    assert read.notes == ("Documents of the submission without text: 4.",)


def test_a_submission_of_typed_text_is_text() -> None:
    read = parse_document("old.txt", document("10-K", "a.txt", TYPED).encode())
    assert read.kind is MediaKind.TEXT
    assert read.page(1).text.startswith("Exhibit of costs\n | 2024 | 2023")


def test_a_document_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = document("10-K", "a.txt", TYPED)
    read = parse_document("cut.txt", (HEADER + whole[: whole.index("6,500")]).encode())
    assert "Costs | 7,001" in read.page(1).text


def test_a_submission_without_any_text_says_so() -> None:
    with pytest.raises(DocumentError, match="none of the 2 documents of this submission holds text") as caught:
        parse_document("p.txt", (HEADER + 2 * document("GRAPHIC", "l.jpg", PICTURE)).encode())
    assert caught.value.problem is Problem.NO_TEXT


def test_pages_of_all_documents_count_together() -> None:
    """Given a limit of two pages, when three documents have one each, then the submission is refused by name."""
    with pytest.raises(DocumentError, match=r"many\.txt: it has 3 pages") as caught:
        parse_document("many.txt", (3 * document("EX-99", "b.txt", TYPED)).encode(), ParseLimits(max_pages=2))
    assert caught.value.problem is Problem.TOO_MANY_PAGES
