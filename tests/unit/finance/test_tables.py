"""Tables as reports print them, in the compact text of prompts."""

import pytest

from common.tables import Table, compact_cell


def test_each_figure_stands_beside_its_year() -> None:
    """Given years under a spanning header, then the years are the columns and the header is the title."""
    table = Table.from_cells(
        [["", "Years Ended March 31,", "", ""], ["", "2019", "2018", "2017"], ["Swiss", "$212,986", "(1,204)", "—"]]
    )
    assert table.title == "Years Ended March 31"
    assert table.text() == "Years Ended March 31\nSwiss: 2019=212986; 2018=-1204; 2017=0"


def test_words_that_all_columns_share_are_left_out() -> None:
    table = Table.from_cells(
        [
            ["", "Fiscal Year 2019", "", "Fiscal Year 2018", ""],
            ["", "Net Sales", "% of Total", "Net Sales", "% of Total"],
            ["APAC", "$533,340", "38.6%", "$479,987", "40.0%"],
        ]
    )
    assert table.columns == ("2019 Net Sales", "2019 % of Total", "2018 Net Sales", "2018 % of Total")
    assert table.line(table.rows[0]).startswith("APAC: 2019 Net Sales=533340; 2019 % of Total=38.6%;")


def test_sections_stay_as_headings_and_empty_cells_vanish() -> None:
    table = Table.from_cells(
        [["", "2019", "2018"], ["Current:", "", ""], ["Federal", "5", ""], ["", "", ""], ["State", "10", "5"]]
    )
    assert table.text() == "Current:\nFederal: 2019=5\nState: 2019=10; 2018=5"
    assert table.rows[0].is_section


def test_full_dates_become_years_and_their_days_the_title() -> None:
    table = Table.from_cells([["$m", "December 31, 2019", "December 31, 2018"], ["Cash", "1", "2"]])
    assert table.columns == ("2019", "2018")
    assert table.title == "$m, December 31"


def test_periods_of_other_lengths_keep_their_length_and_year() -> None:
    """Given weeks or months that end on the same days, then a column is named by its length and year."""
    table = Table.from_cells(
        [
            ["", "13 Weeks Ended", "", "52 Weeks Ended", ""],
            ["", "January 28, 2023", "January 29, 2022", "January 28, 2023", "January 29, 2022"],
            ["Net sales", "$3,227", "$2,729", "$10,209", "$8,631"],
        ]
    )
    assert table.columns == ("13 Weeks 2023", "13 Weeks 2022", "52 Weeks 2023", "52 Weeks 2022")
    assert table.title == "January 28, 2023; January 29, 2022"


def test_columns_told_apart_by_their_days_keep_them() -> None:
    table = Table.from_cells([["", "At March 31, 2023", "At June 30, 2023"], ["Cash", "1", "2"]])
    assert table.columns == ("March 31,", "June 30,")


def test_shares_beside_amounts_can_be_left_out() -> None:
    """Given percentages under no heading of their own, when the table is asked without them, then amounts stay."""
    grid = [["", "2023", "", "2022", ""], ["Net sales", "$3,227", "100.0%", "$2,729", "100.0%"]]
    table = Table.from_cells([*grid, ["Net income", "341", "10.6%", "289", "10.6%"]])
    assert table.without_side_shares().text() == "Net sales: 2023=3227; 2022=2729\nNet income: 2023=341; 2022=289"
    named = Table.from_cells([["", "2023", "% of sales"], ["Net sales", "3,227", "100.0%"]])
    assert named.without_side_shares() == named
    margins = Table.from_cells([["", "2023", "", "2022"], ["Margin", "10.6%", "10.7%", "10.8%"]])
    assert margins.without_side_shares() == margins


def test_a_lone_column_needs_no_name_in_its_cells() -> None:
    table = Table.from_cells([["", "Amount"], ["Goodwill", "7"], ["Cash", "8"]])
    assert table.text() == "Amount\nGoodwill: 7\nCash: 8"


def test_a_table_of_words_keeps_its_first_row_as_header() -> None:
    table = Table.from_cells([["Name", "Office"], ["Ann", "Chair"], ["Bob", "Member"]])
    assert [row.label for row in table.rows] == ["Ann", "Bob"]


@pytest.mark.parametrize("cells", [[], [[]], [["a"]], [["a"], ["b", "c", "d"]]])
def test_ragged_and_empty_grids_are_read(cells: list[list[str]]) -> None:
    assert isinstance(Table.from_cells(cells).text(), str)


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["3,75", "3,10"], "Dividend: 2019=3.75; 2018=3.10"),
        (["30,43", "2,605"], "Dividend: 2019=3043; 2018=2605"),
        (["3,75 of 2,605", "2,605"], "Dividend: 2019=3,75 of 2,605; 2018=2605"),
    ],
)
def test_a_comma_is_decimal_where_none_groups_thousands(cells: list[str], line: str) -> None:
    """Given a comma before two digits, then it is a decimal one unless another cell's comma groups thousands."""
    table = Table.from_cells([["", "2019", "2018"], ["Dividend", *cells]])
    assert table.line(table.rows[0]) == line


def test_cells_of_words_are_left_alone() -> None:
    assert compact_cell("Level 2") == "Level 2"
    assert compact_cell("$1,000") == "1000"
