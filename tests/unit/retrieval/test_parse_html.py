"""HTML filings as pages with table rows."""

import pytest

from worker.retrieval.parse import parse_document
from worker.retrieval.passage_figures import passage_figures
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


def test_captions_stand_above_their_table_and_give_its_scale() -> None:
    """Given captions, one of them hidden, when the page is read, then what readers see heads the rows it scales."""
    caption = "<caption>Sales by <b>region</b><br>(in thousands)</caption>"
    rows = "<tr><td></td><td>2022</td></tr><tr><td>Europe</td><td>1,234</td></tr>"
    hidden = f'<table><caption style="display:none">(in millions)</caption>{rows}</table>'
    page = parse_document("a.html", _page(f"Results<table>{caption}{rows}</table>{hidden}")).page(1).text
    table = [" | 2022", "Europe | 1,234"]
    assert page.split("\n") == ["Results", "Sales by region", "(in thousands)", *table, *table]
    assert all(found.powers == {3} for found in passage_figures(page) if found.figure.text == "1,234")


def test_typed_text_keeps_its_lines_tables_and_pages() -> None:
    """Given a filing typed between <pre> tags, then its lines stand apart, its rows are cells, form feeds end pages."""
    typed = (
        "\nAcme\n                      2003       2002\nNet sales          $ 12,345   $ 11,222\n"
        "Costs &amp; other         7,001      6,500\n\nSales <b>grew</b>\nby a tenth.\n\f" + "On the second page. " * 12
    )
    document = parse_document("a.html", _page(f"<p>Before</p><pre>{typed}</pre><p>{'After it. ' * 25}</p>"))
    rows = [" | 2003 | 2002", "Net sales | $ 12,345 | $ 11,222", "Costs & other | 7,001 | 6,500"]
    assert document.page(1).text.split("\n") == ["Before", "Acme", *rows, "Sales grew", "by a tenth."]
    assert document.page(2).text.startswith("On the second page.")


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


def _short_page(title: str) -> bytes:
    return f"<html><head><title>{title}</title></head><body><p>Revenue: try again later.</p></body></html>".encode()


@pytest.mark.parametrize(
    "title",
    [
        "SEC.gov | Request Rate Threshold Exceeded",
        "SEC.gov | Your Request Originates from an Undeclared Automated Tool",
        "404",
        "404 Not Found",
        "404 - File or directory not found.",
        "Error 404 (Not Found)!!1",
        "HTTP Status 404 – Not Found",
        "IIS 10.0 Detailed Error - 404.0 - Not Found",
        "403 ERROR",
        "Forbidden",
        "Access Denied",
        "503 Service Temporarily Unavailable",
        "504 Gateway Time-out",
        "Just a moment...",
        "Attention Required! | Cloudflare",
    ],
)
def test_error_pages_are_no_reports(title: str) -> None:
    """Given a server's message saved as a filing, when it is read, then it is refused as not a report."""
    with pytest.raises(DocumentError, match="web server's message") as caught:
        parse_document("a.html", _short_page(title))
    assert caught.value.problem is Problem.NOT_A_REPORT


@pytest.mark.parametrize(
    "title",
    [
        "S&amp;P 500",
        "S&amp;P 500 Index Fund - Annual Report",
        "401(k) Savings Plan, Form 11-K",
        "Acme Corp 401 (k) Plan",
        "Section 404 Report",
        "500.com Limited",
        "Results: 429 stores opened",
        "Forbidden City Holdings Ltd.",
        "Just a Moment Studios Inc.",
    ],
)
def test_names_with_numbers_and_words_of_errors_are_reports(title: str) -> None:
    """Given a short report whose title holds what could be a status, when it is read, then its text is there."""
    assert parse_document("a.html", _short_page(title)).page(1).text.startswith("Revenue")


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
