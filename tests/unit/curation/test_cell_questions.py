"""Questions over tables that are no statements: each figure is named by its row and its column."""

import random

import pytest

from common.answers import AnswerKind
from common.evidence import Document
from common.numbers import Scale
from common.tables import Table
from training.tasks.cell_questions import KINDS, questions_over_any, questions_over_cells, read_grid
from training.tasks.statement_sheet import clean_label

PRICES = Table.from_cells(
    [
        ["Quarter ended", "High", "Low", "Shares traded"],
        ["July 7, 2019", "87.84", "75.08", "1,200"],
        ["April 14, 2019", "83.97", "74.24", "1,100"],
        ["January 20, 2019", "90.21", "76.94", "—"],
    ]
)
PAGE = Document((PRICES,), ("(in thousands)",))


def test_cells_are_read_by_their_names() -> None:
    """Given a price table, then prices and counts have no scale, and dashes are no figures to ask for."""
    grid = read_grid(PRICES, PAGE)
    assert grid is not None
    assert grid.rows["July 7, 2019"] == {"High": "87.84", "Low": "75.08", "Shares traded": "1200"}
    assert "Shares traded" not in grid.rows["January 20, 2019"]
    assert grid.scale_of("July 7, 2019", "Shares traded") is Scale.NONE
    assert grid.scale_of("July 7, 2019", "High") is Scale.THOUSAND


def test_every_kind_copies_figures_of_the_rows_and_columns_it_names() -> None:
    """Given questions of every kind, then every cell whose row and column are named is a figure of the answer."""
    grid = read_grid(PRICES, PAGE)
    assert grid is not None
    for kind in set(KINDS):
        asked = next(found for seed in range(50) if (found := kind(grid, random.Random(seed))) is not None)
        text = asked.line.program or " ".join(asked.line.items)
        named = {
            figure
            for row, cells in grid.rows.items()
            for column, figure in cells.items()
            if row in asked.question and column in asked.question
        }
        assert named
        assert all(figure in text for figure in named)


def test_questions_are_different_and_repeatable() -> None:
    first, again = (list(questions_over_cells(PRICES, PAGE, 5, random.Random(3))) for _ in range(2))
    assert first == again
    assert len({asked.question for asked in first}) == 5


def test_tables_whose_cells_have_no_unique_names_are_left_out() -> None:
    """Given equal columns or equal rows, then nothing is asked: a question could mean two cells."""
    twice = Table.from_cells([["", "Total", "Total"], ["A", "1", "2"], ["B", "3", "4"], ["C", "5", "6"]])
    same = Table.from_cells([["", "In", "Out"], ["Other", "1", "2"], ["Other", "3", "4"], ["C", "5", "6"]])
    assert read_grid(twice, Document((twice,), ())) is None
    assert read_grid(same, Document((same,), ())) is None


def test_statements_are_asked_about_their_periods() -> None:
    """Given a table with years for columns, then the questions are those of statements."""
    statement = Table.from_cells([["", "2019", "2018"], ["Net sales", "120", "100"], ["Staff costs", "90", "80"]])
    asked = list(questions_over_any(statement, Document((statement,), ()), 4, random.Random(1)))
    assert len(asked) == 4
    assert {one.line.kind for one in asked} <= {AnswerKind.SPANS, AnswerKind.NUMBER, AnswerKind.COUNT}


@pytest.mark.parametrize(
    ("label", "clean"),
    [("July 7, 2019", "July 7, 2019"), ("Goodwill (1)", "Goodwill"), ("Sales 2", "Sales"), ("Tax*", "Tax")],
)
def test_footnote_marks_go_and_years_stay(label: str, clean: str) -> None:
    assert clean_label(label) == clean
