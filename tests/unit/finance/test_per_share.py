"""Which questions ask for an amount per share, and which only name one."""

import pytest

from common.per_share import asks_per_share

EPS = "What was diluted EPS in 2023?"
SHARES = "How many shares were used in computing diluted EPS in 2023?"


@pytest.mark.parametrize(
    "question",
    [
        EPS,
        "What was the average price per share of the shares sold in the fourth quarter?",
        "How many cents did basic EPS of Class A shares rise by?",
        "What was the weighted average exercise price per share of options granted in 2018?",
        "What was the weighted-average fair value per share used in the Black-Scholes model?",
        "and in the year before, what was the average price paid per share?",
        "What was the distribution per unit in FY2023?",
        "For diluted EPS, what was the change from 2018 to 2019?",
    ],
)
def test_amounts_per_share(question: str) -> None:
    assert asks_per_share(question)


@pytest.mark.parametrize(
    "question",
    [
        SHARES,
        "How many SARs were excluded in calculating diluted EPS for 2019 and 2018, respectively?",
        "What are the average common shares for basic and diluted net loss per share in 2018 and 2019?",
        "What was the change in weighted-average shares used in computing basic net income per share?",
        "What was the net income used in the calculation of diluted earnings per share?",
        "What were the net earnings for basic and diluted eps in 2016?",
        "With an average price per share of $12.12, what would be the cost to repurchase the rest?",
        "In computing diluted earnings per share, how much of net income was added back?",
        "What was the average amount per unit of the backlog, in $ thousands?",
        "What was net income in 2023?",
    ],
)
def test_other_amounts_beside_one_per_share(question: str) -> None:
    """Given a question that names an amount per share beside what it asks for, then it asks for no such amount."""
    assert not asks_per_share(question)


@pytest.mark.parametrize(
    ("earlier", "question", "asks"),
    [
        ([EPS], "And in 2022?", True),
        ([EPS, "And in 2022?"], "What was, then, the change over the years?", True),
        ([EPS], "And basic?", True),
        ([EPS], "What was net income in 2022?", False),
        ([EPS], "And in 2022, how many shares?", False),
        ([EPS, "What was net income in 2022?"], "And in 2021?", False),
        ([SHARES], "And in 2022?", False),
        (["What was net income in 2023?"], "And per share?", True),
        ([], "And in 2022?", False),
    ],
)
def test_a_follow_up_asks_for_what_was_asked_before(earlier: list[str], question: str, asks: bool) -> None:
    """Given questions before, when one goes on, then it asks for what the last one that named something asked for."""
    assert asks_per_share(question, earlier) is asks
