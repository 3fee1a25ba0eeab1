"""Old EDGAR text filings: tables between SGML tags, with columns aligned by blanks."""

import pytest

from common.pages import MediaKind
from worker.retrieval.parse import parse_document
from worker.retrieval.passage_figures import passage_figures

_STATEMENT = """\
<PAGE>   24
               CONSOLIDATED STATEMENTS OF INCOME
<TABLE>
<CAPTION>
(In thousands, except per share data)         Year Ended December 31,
                                        ----------------------------------
                                          1994         1993         1992
                                        --------     --------     --------
<S>                                     <C>          <C>          <C>
Net sales............................   $284,114     $251,923     $230,455
Cost of sales  . . . . . . . . . . .     190,002      171,400      160,110
Restructuring charge.................         --        4,100           --
Gain on sale of R&amp;D unit <F1>........                    812          640
Less:  interest expense..............     (3,151)      (2,987)      (2,760)
                                        ========     ========     ========
<FN>
<F1> Sold in May 1993.  See Note 5.
</TABLE>
     Net sales rose 13%.
<PAGE>   25
Notes follow.
"""
_ROWS = [
    "(In thousands, except per share data) |  | Year Ended December 31, | ",
    " | 1994 | 1993 | 1992",
    "Net sales | $284,114 | $251,923 | $230,455",
    "Cost of sales | 190,002 | 171,400 | 160,110",
    "Restructuring charge | -- | 4,100 | --",
    "Gain on sale of R&D unit (1) |  | 812 | 640",
    "Less: interest expense | (3,151) | (2,987) | (2,760)",
]


@pytest.mark.parametrize("before", ["", "<TYPE>10-K\n<TEXT>\n", "Business of the company.\n" * 1_000])
def test_aligned_tables_become_rows_under_their_columns(before: str) -> None:
    """Given a tagged statement, first in its file or far behind, when it is read, then each figure has its column."""
    document = parse_document("10-k.txt", (before + _STATEMENT).encode())
    *_, statement, notes = [page.text.split("\n") for page in document.pages]
    assert document.kind is MediaKind.TEXT
    assert statement[1:8] == _ROWS
    assert statement[8:] == ["(1)  Sold in May 1993.  See Note 5.", "     Net sales rose 13%."]
    assert notes == ["Notes follow."]


def test_the_scale_in_a_caption_holds_for_the_rows() -> None:
    """Given `(In thousands` beside the caption tag, when the page's figures are read, then that is their scale."""
    page = parse_document("10-k.txt", _STATEMENT.encode()).page(1).text
    powers = {found.figure.text: found.powers for found in passage_figures(page)}
    assert powers["$284,114"] == powers["812"] == {3}


def test_a_table_goes_on_over_a_page_tag() -> None:
    """Given a table that a page tag cuts, when it is read, then the rows of both pages stand under their columns."""
    filing = (
        "<TABLE>\n<S>                <C>        <C>\nInventories.....   $ 30,000   $     --\n"
        "<PAGE> F-4\n<S>                <C>        <C>\nGoodwill........                   500\n"
        "Total assets....   $ 68,912   $ 33,277\n</TABLE>\n"
    )
    pages = parse_document("10-k.txt", filing.encode()).pages
    assert pages[1].text.split("\n") == ["Goodwill |  | 500", "Total assets | $ 68,912 | $ 33,277"]


@pytest.mark.parametrize("head", ["<caption>Sales</caption>", "<tr><td>Code</td><td><c></td></tr>"])
def test_a_table_with_rows_of_html_is_html(head: str) -> None:
    """Given a bare HTML table, with a caption or a stray tag in a cell, when it is read, then it is HTML."""
    fragment = f"<table>{head}<tr><td>Net sales</td><td>5</td></tr></table>"
    document = parse_document("a.txt", fragment.encode())
    assert document.kind is MediaKind.HTML
    assert "Net sales | 5" in document.page(1).text
