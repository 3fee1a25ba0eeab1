"""Tables whose cells stand one below the other: rows again, and no figure in a column by guess."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.contexts import parse_context
from common.evidence import select_evidence
from common.stacked_tables import rejoin_rows

INCOME = """INCOME STATEMENTS
(In millions)

Year Ended June 30,

2016
2015
Revenue:

Product

$ 61,502
$ 75,956
Service and other
23,818

17,624
Total revenue
85,320
93,580
Other income (expense), net
(431
)
346
Tax rate
15
%
34%
See accompanying notes.
52
"""


def test_cells_stand_beside_their_label_and_below_their_period() -> None:
    """Given one cell a line, when read, then rows have their figures, headings stay, and the rest is word for word."""
    assert rejoin_rows(INCOME.splitlines()) == [
        "INCOME STATEMENTS",
        "(In millions)",
        "Year Ended June 30, | 2016 | 2015",
        "Revenue: |",
        "Product | $61,502 | $75,956",
        "Service and other | 23,818 | 17,624",
        "Total revenue | 85,320 | 93,580",
        "Other income (expense), net | (431) | 346",
        "Tax rate | 15% | 34%",
        "See accompanying notes.",
        "52",
    ]


def test_rows_of_one_line_are_read_as_well() -> None:
    """Given label and figures on a line, as plain text extraction prints them, when read, then they are rows."""
    lines = ["December 31, 2023 2022", "Cash 1,980 1,101", "Receivables, net $ 15 $ (49)", "Goodwill — 425"]
    assert rejoin_rows(lines) == [
        " | December 31, 2023 | 2022",
        "Cash | 1,980 | 1,101",
        "Receivables, net | $15 | $(49)",
        "Goodwill | — | 425",
    ]


def test_a_row_with_a_missing_figure_gets_no_column() -> None:
    """Given a label with fewer figures than periods, when read, then its figure stands in no column."""
    lines = ["2023", "2022", "Cash", "5", "4", "Short-term investments", "2,032", "Debt", "7", "8", "Equity", "1", "2"]
    assert rejoin_rows(lines)[2] == "Short-term investments 2,032 |"
    table = parse_context("\n".join(lines)).tables[0]
    assert [row.cells for row in table.rows] == [("5", "4"), ("", ""), ("7", "8"), ("1", "2")]


def test_figures_of_a_label_are_no_cells() -> None:
    """Given a label that ends in figures, when as many as there are periods follow it, then it is all label."""
    lines = ["2018", "2017", "Receivables net of allowances of $95 and $103", "5,020", "4,911"]
    assert rejoin_rows([*lines, *"Cash 5 4,Debt 7 8".split(",")])[1:] == [
        "Receivables net of allowances of $95 and $103 | 5,020 | 4,911",
        "Cash | 5 | 4",
        "Debt | 7 | 8",
    ]


@pytest.mark.parametrize(
    ("blank", "row"), [([], "Gain | -2 |  | 9"), ([" "], "Gain -2 9 |")], ids=["dense", "blank lines everywhere"]
)
def test_a_blank_line_is_an_empty_cell_where_others_have_none(blank: list[str], row: str) -> None:
    """Given rows without blank lines among their figures, when one has such a line, then it is an empty cell."""
    lines = ["2022", "2021", "2020"]
    for label in ("Sales", "Costs", "Profit"):
        lines += [label, *blank, "1", *blank, "2", *blank, "3"]
    assert row in rejoin_rows([*lines, "Gain", *blank, "-2", " ", *blank, "9", "Tax", "1", "1", "1"])


def test_captions_stand_above_their_periods() -> None:
    """Given two captions over two periods each, when read, then each column is named by both."""
    lines = ["Three months ended June 30,", "Six months ended June 30,", "2023", "2022", "2023", "2022"]
    for label in ("Sales", "Costs", "Profit"):
        lines += [label, "1", "2", "3", "4"]
    table = parse_context("\n".join(lines)).tables[0]
    assert table.columns == ("Three months 2023", "Three months 2022", "Six months 2023", "Six months 2022")
    assert table.title == "June 30, 2023; June 30, 2022"


@pytest.mark.parametrize(
    "text",
    [
        "Sales rose in 2023.\nThey were 5 in 2022 and 6 in 2023.\nNothing else changed.",
        "2023\n2022\nCash\n5\n4\nDebt\n7\n8",  # two rows make no table
        "2023\nCash\n5\nDebt\n7\nEquity\n8",  # one period makes no columns
        "Cash\n5\n4\nDebt\n7\n8\nEquity\n1\n2",  # no periods
        "",
    ],
)
def test_other_text_is_kept_word_for_word(text: str) -> None:
    """Given text that is no stacked table, when read, then nothing changes."""
    assert rejoin_rows(text.splitlines()) == text.splitlines()


def test_a_context_with_bars_is_left_alone() -> None:
    """Given a context whose tables have bars, when parsed, then stacked lines in it stay paragraphs."""
    document = parse_context("a | 1\nb | 2\n\n" + INCOME)
    assert len(document.tables) == 1
    assert "Total revenue" in document.paragraphs


def test_evidence_names_the_year_of_each_figure() -> None:
    """Given a pasted statement, when a question selects evidence, then figures stand beside their years."""
    evidence = select_evidence("What was total revenue in 2015?", parse_context(INCOME))
    assert "Total revenue: 2016=85320; 2015=93580" in evidence.text.splitlines()


BLOCKS = (
    ("Sales", "1", "2"), ("Tax", "5", "%", "6", "%"), ("Other", "(8", ")"), ("Loss", "(8", ")", "7"), ("Cash 1 $ 2",),
    ("Debt", "$", "3", "$", "4"), ("Assets",), ("Note 5",), ("a | b",), (")",), ("",), ("2016", "2015"),
    ("Year ended", "June 30, 2016"), ("Many", *["9"] * 14), ("2014",) * 25,
)  # fmt: skip
LINES = st.lists(st.sampled_from(BLOCKS), max_size=40).map(
    lambda blocks: ["2016", "2015", *(line for block in blocks for line in block)]
)


def characters(lines: Sequence[str]) -> Counter[str]:
    """Count what a reader would miss: all but blanks, bars and currency signs."""
    return Counter(char for line in lines for char in line if char not in " |$")


@given(LINES)
@example(["2016", "2015", "Loss", "(8", ")", "7", "Note 5", ")", "2016", "2015", "Tax", "1", "2", "Debt", "3", "4"])
def test_nothing_is_lost_or_added(lines: list[str]) -> None:
    """Given any lines, when read, then every character that says something is there as often as before."""
    assert characters(rejoin_rows(lines)) == characters(lines)


def test_too_many_periods_are_no_columns() -> None:
    """Given a long list of years before other text, when read, then all of it is kept as it is."""
    lines = [*["2016"] * 30, "Sales", *["1"] * 25, "The end.", "More."]
    assert rejoin_rows(lines) == lines


class Counted(list[str]):
    """Lines that count how often one is looked at."""

    looks = 0

    def __getitem__(self, key: Any) -> Any:
        self.looks += 1
        return super().__getitem__(key)


@pytest.mark.parametrize(
    "text",
    ["Year ended\n", "2016\n", "2016 2015\nx\n", "2016\n" * 12 + "x\n" * 20, "2016 2015\n" + "a 1 2\n" * 40],
    ids=["captions", "periods", "headers", "long headers", "rows"],
)
def test_each_line_is_looked_at_a_limited_number_of_times(text: str) -> None:
    """Given text made to be read again and again, when read, then the work grows with its length alone."""
    lines = Counted((text * 500).splitlines())
    rejoin_rows(lines)
    assert lines.looks <= 30 * len(lines)


def test_a_line_too_long_for_a_cell_is_kept() -> None:
    """Given a line of many figures inside a table, when read, then it is no row."""
    long = "1 " * 110 + "x"
    lines = ["2016 2015", "Cash 1 2", "Debt 3 4", long, "Equity 5 6"]
    assert rejoin_rows(lines)[3] == f"{long} |"
