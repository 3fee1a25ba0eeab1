"""HTML filings as pages with table rows."""

import pytest

from worker.retrieval.parse import parse_document
from worker.retrieval.problems import DocumentError, Problem

_TABLE = """<table><tr><td></td><td colspan="2">2022</td><td></td><td colspan="2">2021</td></tr>
<tr><td>Net sales</td><td>$</td><td>1,234</td><td></td><td>$</td><td>1,111</td></tr>
<tr><td>Loss</td><td colspan="2">(56</td><td>)</td><td colspan="2">7</td></tr>
<tr><td>Only last year</td><td></td><td></td><td></td><td></td><td>9</td></tr></table>"""


def _page(body: str) -> bytes:
    return f"<html><body>{body}</body></html>".encode()


def test_tables_become_rows_under_their_columns() -> None:
    """Given cells for signs and brackets, when the table is read, then figures are whole and empty cells kept."""
    lines = (
        parse_document("a.html", _page(f"<p>Revenue and net income for the year</p>{_TABLE}")).page(1).text.split("\n")
    )
    assert lines[1:] == [
        " | 2022 | 2021",
        "Net sales | $1,234 | $1,111",
        "Loss | (56) | 7",
        "Only last year |  | 9",
    ]


def test_inline_xbrl_shows_what_readers_see() -> None:
    """Given inline XBRL with a hidden header, when it is read, then its text stands and the header does not."""
    body = (
        '<div style="display:none"><ix:header>0000320193 hidden</ix:header></div>'
        "<p>Net income was $<ix:nonFraction name='us-gaap:NetIncomeLoss' scale='6'>93,736</ix:nonFraction> million.</p>"
    )
    assert parse_document("a.html", _page(body)).page(1).text == "Net income was $93,736 million."


@pytest.mark.parametrize(
    "rule",
    [
        '<hr style="page-break-after:always"/>',
        '<div style="break-before: page"></div>',
        '<p style="page-break-before:always"></p>',
        "<hr>",
    ],
)
def test_pages_end_where_the_filing_says(rule: str) -> None:
    """Given page breaks as styles or rules, when the filing is read, then pages end there."""
    first, second = "<p>" + "Revenue grew. " * 30 + "</p>", "<p>" + "Costs fell. " * 30 + "</p>"
    document = parse_document("a.html", _page(first + rule + second))
    assert [page.text.split(" ")[0] for page in document.pages] == ["Revenue", "Costs"]


def test_long_text_without_breaks_is_split() -> None:
    """Given a long filing without page breaks, when it is read, then pages of a printed page's size come of it."""
    body = "".join(f"<p>Revenue paragraph {number} with some words about income and cash.</p>" for number in range(400))
    document = parse_document("a.html", _page(body))
    assert len(document.pages) > 4
    assert max(len(page.text) for page in document.pages) < 4_000


@pytest.mark.parametrize("title", ["SEC.gov | Request Rate Threshold Exceeded", "404 Not Found", "Access Denied"])
def test_error_pages_are_no_reports(title: str) -> None:
    """Given a server's message saved as a filing, when it is read, then it is refused as not a report."""
    data = f"<html><head><title>{title}</title></head><body><p>Please try again later.</p></body></html>".encode()
    with pytest.raises(DocumentError, match="web server's message") as caught:
        parse_document("a.html", data)
    assert caught.value.problem is Problem.NOT_A_REPORT


def test_missing_body_and_missing_finance_are_noted() -> None:
    """Given markup without a body that is no report, when it is read, then both are noted and the text is there."""
    document = parse_document(
        "a.html", b"<html><p>" + b"Name and address of the transfer agent. " * 20 + b"</p></html>"
    )
    assert "transfer agent" in document.page(1).text
    assert len(document.notes) == 2


def test_other_encodings_are_read() -> None:
    """Given a page in Windows' encoding, when it is read, then its signs are right."""
    assert "€5" in parse_document("a.html", "<html><body><p>Revenue €5</p></body></html>".encode("cp1252")).page(1).text
