"""Analysts' words lead to what reports print, and instructions are told from the question."""

import pytest

from common.concepts import printed_phrases, without_instructions


@pytest.mark.parametrize(
    ("question", "printed"),
    [
        ("What is the FY2019 COGS?", "cost of sales"),
        ("What was capex?", "capital expenditures"),
        ("Calculate the FY18 ROA.", "total assets"),
        ("What is the net margin?", "net sales"),
        ("What is net AR in millions?", "accounts receivable net"),
    ],
)
def test_terms_and_ratios_lead_to_printed_lines(question: str, printed: str) -> None:
    assert printed in printed_phrases(question)


def test_a_question_without_finance_terms_has_no_phrases() -> None:
    assert printed_phrases("Who signed the letter in Paris?") == ()


def test_words_inside_other_words_are_no_terms() -> None:
    """Given words that contain `AR` and `AP`, then no receivables or payables are looked for."""
    assert printed_phrases("Where is the paper kept apart?") == ()


def test_instructions_are_left_out_and_the_question_stays() -> None:
    asked = without_instructions("What is the ratio? Round your answer to two decimal places.")
    assert "ratio" in asked
    assert "Round" not in asked


@pytest.mark.parametrize(
    "instruction",
    [
        "Answer the following question by primarily using the balance sheet: ",
        "Using the cash flow statement, answer this question as well as you can: ",
    ],
)
def test_a_question_that_an_instruction_announces_stays(instruction: str) -> None:
    """Given an instruction that ends in a colon, then the question behind it is not taken for a part of it."""
    assert "what is the net PPNE?" in without_instructions(
        f"{instruction}what is the net PPNE? Answer in USD millions."
    )
