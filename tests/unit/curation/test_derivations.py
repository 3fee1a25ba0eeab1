"""Annotators' derivations become short programs, kept only where they give the annotated answer."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calculator import ProgramError, calculate
from common.evidence import Document
from common.numbers import Scale
from common.tables import Table
from training.tasks.derivations import in_points, parse_arithmetic, program_for, write_program
from training.tasks.program_search import search_program


@pytest.mark.parametrize(
    ("derivation", "answer", "scale", "program"),
    [
        ("(2,370 - 2,929)/2,929 ", "-19.09", Scale.PERCENT, "pct(2370,2929)"),
        ("1.23 / 1.49 - 1", "-17.45", Scale.PERCENT, "pct(1.23,1.49)"),
        ("4.7% - 5.3%", "-0.6", Scale.PERCENT, "4.7-5.3"),
        ("(55 + 50)/2 ", "52.5", Scale.PERCENT, "avg(55,50)"),
        ("1,046/2,949", "35.47", Scale.PERCENT, "share(1046,2949)"),
        ("91.30 - 70.77", "20.53", Scale.NONE, "91.30-70.77"),
        ("[(166+178)/2] - [(57+44)/2]", "121.5", Scale.MILLION, "avg(166,178)-avg(57,44)"),
        ("(56-60)/60 - (40-50)/50", "13.33", Scale.PERCENT, "pct(56,60)-pct(40,50)"),
        ("60.3 million + 32,137 thousand ", "92437", Scale.THOUSAND, "60300+32137"),
        ("100 – 130", "30", Scale.MILLION, "130-100"),
        ("5 x 3", "15", Scale.NONE, "5*3"),
        ("$6,489+$7,500", "13989", Scale.MILLION, "6489+7500"),
        ("10-(3-2)", "9", Scale.NONE, "10-(3-2)"),
        ("8/(4/2)", "4", Scale.NONE, "8/(4/2)"),
    ],
)
def test_derivations_become_programs(derivation: str, answer: str, scale: Scale, program: str) -> None:
    assert program_for(derivation, answer, scale) == program


@pytest.mark.parametrize("derivation", ["", "see note 4", "1 +", "f(2)", "2**3", "'a'*3", "1 if 2 else 3", "7 + 8"])
def test_what_does_not_give_the_answer_is_left_out(derivation: str) -> None:
    assert program_for(derivation, "12", Scale.NONE) is None


_NUMBERS = st.integers(1, 999).map(str)
_TREES = st.recursive(
    _NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"({part[0]}{part[1]}{part[2]})"),
    max_leaves=6,
)


@given(_TREES)
def test_writing_a_program_keeps_its_value(expression: str) -> None:
    """Given any arithmetic, when it is written as a program without needless brackets, then its value is the same."""
    try:
        expected = calculate(expression).value
    except ProgramError:
        return
    tree = parse_arithmetic(expression)
    assert tree is not None
    assert calculate(write_program(tree)).value == expected


def test_points_turn_ratios_into_percentages() -> None:
    tree = parse_arithmetic("(3-2)/2+1/4")
    assert tree is not None
    program = write_program(in_points(tree))
    assert program == "pct(3,2)+share(1,4)"
    assert calculate(program).value == 75


PAGE = Document(
    (
        Table.from_cells(
            [
                ["", "2019", "2018"],
                ["Net sales", "1,200", "1,000"],
                ["Cost of sales", "(700)", "(640)"],
                ["Tax", "200", "55"],
            ]
        ),
    ),
    (),
)


@pytest.mark.parametrize(
    ("question", "answer", "scale", "program"),
    [
        ("What is the percentage change in net sales between 2018 and 2019?", "20", Scale.PERCENT, "pct(1200,1000)"),
        ("What is the change in net sales?", "200", Scale.MILLION, "1200-1000"),
        ("What is the average net sales?", "1100", Scale.MILLION, "avg(1200,1000)"),
        ("What is the change in cost of sales?", "-60", Scale.MILLION, "-700-(-640)"),
        ("What is the ratio of tax to net sales in 2019?", "0.17", Scale.NONE, "200/1200"),
    ],
)
def test_lost_derivations_are_found_again(question: str, answer: str, scale: Scale, program: str) -> None:
    assert search_program(question, Fraction(Decimal(answer)), scale, PAGE) == program


def test_nothing_is_invented_for_an_answer_that_no_program_gives() -> None:
    assert search_program("What is the change in net sales?", Fraction(123456), Scale.MILLION, PAGE) is None
