"""What of a page goes into the prompt."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.contexts import parse_context
from common.evidence import (
    BALANCED,
    WHOLE,
    Budget,
    Document,
    estimated_tokens,
    scale_line,
    select_evidence,
    split_sentences,
)
from common.tables import Table

ROWS = [[f"Item {number} revenue", str(1000 + number), str(2000 + number)] for number in range(60)]
PAGE = Document(
    (Table.from_cells([["(in thousands)", "2019", "2018"], ["Segment A:", "", ""], *ROWS]),),
    (
        "The weather was fine. Goodwill was tested in May.",
        "Net sales rose because of the acquisition of Acme Inc. in March.",
        *(f"Paragraph {number} speaks of nothing in particular." for number in range(60)),
    ),
)


def test_the_sentence_and_the_row_asked_for_are_kept() -> None:
    """Given a long page, when evidence is chosen, then the named row and sentence are in and the counts add up."""
    evidence = select_evidence("Why did net sales rise and what was item 37 revenue?", PAGE, Budget(60, 40))
    assert "Item 37 revenue: 2019=1037; 2018=2037" in evidence.text
    assert "acquisition of Acme Inc. in March." in evidence.text
    assert "Segment A:" in evidence.text
    assert evidence.rows_kept + evidence.rows_dropped == 61
    assert evidence.sentences_kept + evidence.sentences_dropped == 63
    assert evidence.rows_dropped > 40
    assert estimated_tokens(evidence.text) < 150


STATEMENTS = Document(
    tuple(
        Table.from_cells([["(in millions)", "2019", "2018"], *([label, str(at * 1000), "17"] for at, label in rows)])
        for rows in (
            enumerate(("Net sales", "Cost of sales", "Selling expenses", "Net earnings", *map(str, range(60, 90))), 1),
            enumerate(("Cash", "Total current assets", "Accounts payable", *map(str, range(30, 60))), 101),
        )
    ),
    (),
)


@pytest.mark.parametrize(
    ("question", "rows"),
    [
        ("What is the FY2019 COGS of Acme in USD millions?", ("Cost of sales",)),
        ("Calculate Acme's FY19 DPO.", ("Cost of sales", "Accounts payable")),
        ("What is the net margin for 2019?", ("Net sales", "Net earnings")),
        ("Does Acme have positive working capital?", ("Total current assets",)),
    ],
)
def test_rows_are_kept_for_what_analysts_call_them(question: str, rows: tuple[str, ...]) -> None:
    """Given two long statements, when asked in analysts' words, then the rows that reports print for them are kept."""
    evidence = select_evidence(question, STATEMENTS, Budget(table_tokens=120, text_tokens=10))
    assert evidence.rows_dropped > 30
    for row in rows:
        assert f"\n{row}: 2019=" in evidence.text


def test_a_table_without_a_fitting_row_leaves_its_room_to_the_others() -> None:
    """Given a row of one table, when asked for, then the budget is spent near it and no bare title is left."""
    evidence = select_evidence("What were accounts payable?", STATEMENTS, Budget(table_tokens=60, text_tokens=10))
    assert "Accounts payable: 2019=103000" in evidence.text
    assert "Net sales" not in evidence.text
    assert evidence.text.count("(in millions)") == 1


def test_how_to_answer_is_not_what_is_asked() -> None:
    """Given instructions that share words with a row, then they do not bring that row into the prompt."""
    rows = [["Round timber, two places", "1", "2"], *([f"Item {number}", "3", "4"] for number in range(60))]
    page = Document((Table.from_cells([["", "2019", "2018"], *rows]),), ())
    asked = "What was item 41? Round your answer to two decimal places."
    text = select_evidence(asked, page, Budget(table_tokens=30, text_tokens=10)).text
    assert "Item 41: " in text
    assert "timber" not in text


def test_a_budget_large_enough_drops_nothing() -> None:
    evidence = select_evidence("What was revenue?", PAGE, WHOLE)
    assert evidence.rows_dropped == evidence.sentences_dropped == 0
    assert evidence.text.startswith("Amounts in thousand\n(in thousands)\n")


def test_one_sentence_is_kept_however_small_the_budget() -> None:
    assert select_evidence("What was tested?", PAGE, Budget(1, 1)).sentences_kept == 1


@settings(max_examples=30)
@given(st.text(max_size=80), st.text(max_size=300))
def test_any_question_over_any_text_is_served_the_same_twice(question: str, context: str) -> None:
    first = select_evidence(question, parse_context(context), BALANCED)
    assert first == select_evidence(question, parse_context(context), BALANCED)


def test_a_context_given_as_text_is_read_as_table_and_paragraphs() -> None:
    """Given pipe rows between lines of text, also in Markdown form, then they become a table, the rest paragraphs."""
    document = parse_context("Intro.\n| | 2019 | 2018 |\n|---|---|---|\n| Sales | 5 | (4) |\nOutro | alone\nEnd.")
    assert document.tables[0].columns == ("2019", "2018")
    assert document.tables[0].text() == "Sales: 2019=5; 2018=-4\nOutro: 2019=alone"
    assert document.paragraphs == ("Intro.", "End.")


def test_an_empty_label_before_the_first_bar_is_a_cell() -> None:
    """Given rows joined with bars, whose header has no label, then no column moves."""
    document = parse_context(" | 2019 | 2018\nSales | 5 | 4\nTax | 1 | ")
    assert document.tables[0].text() == "Sales: 2019=5; 2018=4\nTax: 2019=1"


def test_scale_comes_from_the_table_before_the_text() -> None:
    in_table = Document((Table.from_cells([["£m", "2019"], ["Cash", "1"]]),), ("Presented (in thousands).",))
    in_text = Document(
        (Table.from_cells([["", "2019"], ["Cash", "1"]]),), ("Sales of $3 billion. Shown (in thousands):",)
    )
    shares = Document(
        (Table.from_cells([["", "2019"], ["Cash", "1"]]),),
        ("Data (shares in thousands). Tabular amounts in millions.",),
    )
    assert scale_line(in_table) == "Amounts in million"
    assert scale_line(in_text) == "Amounts in thousand"
    assert scale_line(shares) == "Amounts in million"
    assert scale_line(Document((), ("We earned $3 million.",))) == ""


def test_abbreviations_do_not_end_sentences() -> None:
    text = "Acme Inc. grew by 5.2% in the U.S. market. It paid $1.2 million. No. 5 closed."
    assert split_sentences(text) == [
        "Acme Inc. grew by 5.2% in the U.S. market.",
        "It paid $1.2 million.",
        "No. 5 closed.",
    ]


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("What were net sales in 2023?", "Net sales: 2023=3227; 2022=2729"),
        ("What share of net sales was it?", "Net sales: 2023=3227; 2023=100.0%; 2022=2729; 2022=100.0%"),
    ],
)
def test_shares_beside_amounts_are_for_questions_about_shares(question: str, line: str) -> None:
    context = " | 2023 |  | 2022 | \nNet sales | $3,227 | 100.0% | $2,729 | 100.0%\nTax | 97 | 3.0% | 82 | 3.0%"
    assert line in select_evidence(question, parse_context(context)).text.splitlines()
