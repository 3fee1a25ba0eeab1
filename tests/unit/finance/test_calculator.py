"""The program executor: right results, exact arithmetic, and no way to make it run wild."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.calculator import FUNCTION_NAMES, MAX_DEPTH, MAX_OPERANDS, MAX_PROGRAM_CHARS, ProgramError, calculate


@pytest.mark.parametrize(
    ("program", "value"),
    [
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("2-3-4", -5),
        ("8/4/2", 1),
        ("-(3-5)*2", 4),
        ("5--3", 8),
        ("2^3^2", 512),
        ("2^-1", Fraction(1, 2)),
        ("5%", Fraction(1, 20)),
        ("1027/11%", Fraction(102700, 11)),
        ("pct(120.5,100)", Fraction(41, 2)),
        ("pct(-30,-20)", 50),
        ("share(1,3)", Fraction(100, 3)),
        ("avg(55,50)", Fraction(105, 2)),
        ("avg(1,2)-avg(3,4)", -2),
        ("sum(1,2,3)+min(4,5)+max(4,5)+abs(-1)", 16),
        (" 0.1 + 0.2 ", Fraction(3, 10)),
        (".5*2", 1),
    ],
)
def test_programs_have_their_value(program: str, value: Fraction) -> None:
    assert calculate(program).value == value


def test_a_comparison_is_true_or_false() -> None:
    assert calculate("3>2").truth is True
    assert calculate("3<2").truth is False
    assert calculate("3>3").value is None


def test_operands_are_kept_as_written() -> None:
    result = calculate("pct(3.40, 33.2%)")
    assert [(operand.text, operand.value) for operand in result.operands] == [
        ("3.40", Fraction(17, 5)),
        ("33.2%", Fraction(83, 250)),
    ]


@pytest.mark.parametrize(
    ("program", "compared"),
    [
        ("pct(-3, 33.2%)", [True, True]),
        ("share(1,5)*100", [True, True, False]),
        ("pct(1+2,4*5)", [False] * 4),
        ("pct((3),2^5)", [False] * 3),
        ("avg(1,2)", [False, False]),
        ("pct(avg(1,2),3)", [False, False, True]),
    ],
)
def test_operands_that_are_compared_are_told_from_parts_of_a_formula(program: str, compared: list[bool]) -> None:
    assert [operand.is_compared for operand in calculate(program).operands] == compared


@pytest.mark.parametrize(
    "program",
    [
        "",
        "1+",
        "(1",
        "1)",
        "1 2",
        "1,2",
        "avg()",
        "pct(1)",
        "pct(1,2,3)",
        "abs(1,2)",
        "open(1)",
        "__import__('os')",
        "a",
        "1;2",
        "1/0",
        "pct(1,0)",
        "share(1,5-5)",
        "0^-1",
        "2^0.5",
        "1>2>3",
        "1e5",
        "$5",
        "1==1",
        "5%%",
    ],
)
def test_anything_outside_the_grammar_is_refused(program: str) -> None:
    with pytest.raises(ProgramError):
        calculate(program)


@pytest.mark.parametrize(
    "program",
    [
        "1+" * MAX_PROGRAM_CHARS + "1",
        "(" * (MAX_DEPTH + 2) + "1" + ")" * (MAX_DEPTH + 2),
        "-" * (MAX_DEPTH + 2) + "1",
        "+".join(["1"] * (MAX_OPERANDS + 1)),
        "9" * 25,
        "99^32",
        "2^33",
        "(((0.1^32)^32)^32)^32",
        "1" + "*0.123456789012345678901" * 20 + "*" + "*".join(["0.99999999^32"] * 20),
    ],
)
def test_limits_stop_a_program_quickly(program: str) -> None:
    """Given a program that would grow in length, depth or digits, when it runs, then it is refused at once."""
    begun = time.perf_counter()
    with pytest.raises(ProgramError):
        calculate(program)
    assert time.perf_counter() - begun < 1


@given(st.text(alphabet="0123456789.+-*/^()<>%, abcdefghimnoprstuvx", max_size=60))
def test_any_text_gives_a_result_or_a_program_error(text: str) -> None:
    try:
        result = calculate(text)
    except ProgramError:
        return
    assert (result.value is None) != (result.truth is None)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=10))
def test_sums_and_averages_agree_with_arithmetic(values: list[int]) -> None:
    arguments = ",".join(map(str, values))
    assert calculate(f"sum({arguments})").value == sum(values)
    assert calculate(f"avg({arguments})").value == Fraction(sum(values), len(values))


def test_the_functions_are_the_documented_ones() -> None:
    assert {"abs", "avg", "max", "min", "pct", "share", "sum"} == FUNCTION_NAMES
