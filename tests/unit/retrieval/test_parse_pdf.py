"""PDF pages as text with table rows, and the reasons why a PDF gives none."""

import pytest

from tests.support.pdf_files import pdf, statement_page
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse import parse_document
from worker.retrieval.problems import DocumentError, Problem

_PROSE = [(50.0, 700.0, "Net sales increased 3% in fiscal 2022, driven by higher prices and volumes in all segments.")]


def test_rows_keep_their_columns() -> None:
    """Given a statement with signs in columns of their own and an empty cell, when it is read, then rows line up."""
    lines = parse_document("a.pdf", pdf([statement_page()])).page(1).text.split("\n")
    assert "Consolidated Balance Sheet" in lines
    assert "(Dollars in millions) | 2022 | 2021" in lines
    assert "Cash and cash equivalents | $3,655 | $4,564" in lines
    assert "Inventories | 5,372 | " in lines
    assert "Accumulated depreciation | (16,820) | (17,784)" in lines


def test_headers_read_column_by_column_are_put_in_rows() -> None:
    """Given stacked headers drawn column by column, when the page is read, then each height gives one row."""
    texts = [
        (370.0, 740.0, "December 31,"),
        (385.0, 728.0, "2022"),
        (470.0, 740.0, "December 31,"),
        (485.0, 728.0, "2021"),
        *((50.0, 700.0, "Revenue"), (390.0, 700.0, "1,234"), (490.0, 700.0, "1,111")),
        *((50.0, 686.0, "Net income"), (395.0, 686.0, "234"), (495.0, 686.0, "111")),
    ]
    lines = parse_document("a.pdf", pdf([texts])).page(1).text.split("\n")
    assert lines[0].split(" | ")[-2:] == ["December 31,", "December 31,"]
    assert lines[1].split(" | ")[-2:] == ["2022", "2021"]
    assert lines[2] == "Revenue | 1,234 | 1,111"


def test_figures_closer_than_words_are_cells() -> None:
    """Given narrow columns, some wide figures among them, and centred headings, then each figure has its own cell."""
    texts = [
        *((275.0, 730.0, "13 Weeks Ended"), (415.0, 730.0, "52 Weeks Ended")),
        *((50.0, 716.0, "(In millions)"), (272.0, 716.0, "2022"), (322.0, 716.0, "2021")),
        *((412.0, 716.0, "2022"), (462.0, 716.0, "2021")),
    ]
    rows = (
        ("Net sales", "$3,226.8", "$2,729.4", "$10,208.6", "$8,630.9"),
        ("Expenses", "$762.7", "$650.0", "$2,395.3", "$2,061.5"),
        ("Stores", "12", "6", "47", "44"),
    )
    for number, (label, *figures) in enumerate(rows):
        y = 702.0 - 14 * number
        texts.append((50.0, y, label))
        texts += [
            (right - 5.2 * len(figure), y, figure)
            for right, figure in zip((300.0, 350.0, 440.0, 490.0), figures, strict=True)
        ]
    lines = parse_document("a.pdf", pdf([texts])).page(1).text.split("\n")
    assert lines[0] == " | 13 Weeks Ended |  | 52 Weeks Ended | "
    assert lines[2:] == [" | ".join(row) for row in rows]


def test_dashes_make_no_columns_and_wide_headings_stay_above_theirs() -> None:
    """Given dashes right of the figures and dates wider than them, then there are as many columns as dates."""
    texts = [(400.0, 730.0, "January 28, 2023"), (500.0, 730.0, "January 29, 2022")]
    for y, label, first, second in ((716.0, "Cash", "1,874", "2,936"), (702.0, "Goodwill", "1,383", "1,384")):
        texts += [(30.0, y, label), (455.0, y, first), (555.0, y, second)]
    texts += [(30.0, 688.0, "Preferred stock"), (483.0, 688.0, "-"), (583.0, 688.0, "-")]
    lines = parse_document("a.pdf", pdf([texts])).page(1).text.split("\n")
    assert lines == [
        " | January 28, 2023 | January 29, 2022",
        "Cash | 1,874 | 2,936",
        "Goodwill | 1,383 | 1,384",
        "Preferred stock | - | -",
    ]


def test_a_figure_across_two_columns_does_not_join_them() -> None:
    """Given one figure as wide as two columns, when full rows show both, then the columns stay apart."""
    texts = []
    for y, label, first, second in (
        (730.0, "Goods", "547", "219"),
        (716.0, "Rent", "233", "497"),
        (702.0, "Fees", "128", "450"),
    ):
        texts += [(250.0, y, label), (400.0, y, first), (440.0, y, second)]
    texts += [(250.0, 688.0, "Total"), (405.0, 688.0, "1,234,567")]
    lines = parse_document("a.pdf", pdf([texts])).page(1).text.split("\n")
    assert lines[:3] == ["Goods | 547 | 219", "Rent | 233 | 497", "Fees | 128 | 450"]


def test_prose_stays_prose() -> None:
    """Given a sentence, when it is read, then it is one line without cells."""
    assert parse_document("a.pdf", pdf([_PROSE])).page(1).text == _PROSE[0][2]


@pytest.mark.parametrize(
    ("data", "problem", "words"),
    [
        (b"", Problem.EMPTY, "empty"),
        (pdf([_PROSE])[:-200], Problem.DAMAGED, "cut off"),
        (b"%PDF-1.7\n" + b"x" * 3000 + b"%%EOF", Problem.DAMAGED, "damaged"),
        (pdf([[], []]), Problem.NO_TEXT, "OCR"),
        (pdf([_PROSE], encrypt=True), Problem.PASSWORD, "password"),
        (b"PK\x03\x04rest", Problem.WRONG_TYPE, "zip"),
        (b"plain words", Problem.WRONG_TYPE, "no PDF"),
    ],
)
def test_unreadable_files_say_why(data: bytes, problem: Problem, words: str) -> None:
    """Given a file that gives no pages, when it is read, then the error names the file, the reason and what to do."""
    with pytest.raises(DocumentError, match=words) as caught:
        parse_document("report.pdf", data)
    assert caught.value.problem is problem
    assert caught.value.message.startswith("report.pdf: ")


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        (ParseLimits(max_bytes=100), Problem.TOO_LARGE),
        (ParseLimits(max_pages=1), Problem.TOO_MANY_PAGES),
        (ParseLimits(max_seconds=0.0), Problem.TOO_SLOW),
    ],
)
def test_limits_are_kept(limits: ParseLimits, problem: Problem) -> None:
    """Given a file over a limit, when it is read, then it is refused with that limit."""
    with pytest.raises(DocumentError) as caught:
        parse_document("a.pdf", pdf([_PROSE, _PROSE]), limits)
    assert caught.value.problem is problem


def test_pages_without_text_are_noted() -> None:
    """Given one blank page among others, when the file is read, then a note names the page and the rest is there."""
    document = parse_document("a.pdf", pdf([_PROSE, [], _PROSE]))
    assert [bool(page.text) for page in document.pages] == [True, False, True]
    assert document.notes == ("Pages without text (blank or scanned): 2.",)
