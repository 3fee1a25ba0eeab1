"""Programs whose numbers are printed and which still give no answer: scales, units, constants."""

import pytest

from common.calculator import calculate
from common.numbers import Scale
from worker.grounding import check_numbers
from worker.operands import Computation, Passage, check_operands, objection_to

_TABLE = "(in millions) | 2024 | 2023\nRevenue | 412.6 | 388.1\nDilutive securities | 3,201 | 3,354"
_PROSE = "Revenue was $1.2 billion in 2023 and $900 million in 2022."
_SERVICES = "Net service sales | 27,738 | 41,322 | 59,293\nOccupancy | 98.5 | 97.1"


def _objection(page: str, program: str, scale: Scale, question: str = "") -> str | None:
    return objection_to(Computation(calculate(program), scale), [Passage("p", page)], question)


@pytest.mark.parametrize(
    ("page", "program", "scale"),
    [
        (_TABLE, "412.6", Scale.THOUSAND),
        (_TABLE, "412.6-388.1", Scale.BILLION),
        (_TABLE, "avg(412.6,388.1)", Scale.THOUSAND),
        (_PROSE, "1.2-900", Scale.MILLION),
        (_PROSE, "1.2>900", Scale.NONE),
    ],
)
def test_a_sum_contradicts_no_printed_scale(page: str, program: str, scale: Scale) -> None:
    """Given amounts whose scale the page prints, when a program counts them in another, then that is objected to."""
    assert "scale" in (_objection(page, program, scale) or "")


@pytest.mark.parametrize(
    ("page", "program", "scale"),
    [
        (_TABLE, "412.6-388.1", Scale.MILLION),
        (_TABLE, "412.6-388.1", Scale.NONE),
        (_TABLE, "(412.6-388.1)*1000", Scale.THOUSAND),
        (_TABLE, "3201-3354", Scale.THOUSAND),
        (_PROSE, "1200-900", Scale.MILLION),
        (_PROSE, "1.2-0.9", Scale.BILLION),
        (_PROSE, "1200>900", Scale.NONE),
        ("Revenue | 412.6 | 388.1", "412.6-388.1", Scale.MILLION),
        (f"{_TABLE}\n(in thousands)\nTax | 412.6 | 388.1", "412.6-388.1", Scale.THOUSAND),
        (f"(Unless otherwise disclosed)\n{_TABLE}", "412.6-388.1", Scale.THOUSAND),
        ("They sold $1.5 and $1.2 million.", "1.5-1.2", Scale.MILLION),
    ],
)
def test_a_scale_that_the_page_leaves_open_is_the_programs(page: str, program: str, scale: Scale) -> None:
    """Given the printed scale, another way of counting it, or none that is sure, when checked, then nothing is said."""
    assert _objection(page, program, scale) is None


@pytest.mark.parametrize("program", ["avg(41322,59293)", "abs(41322-59293)", "sum(41322,59293)", "(59293-41322)*100"])
def test_no_function_without_a_quotient_makes_percent_of_amounts(program: str) -> None:
    """Given amounts that are added within a function, when the result is called percent, then it is objected to."""
    assert "percent by adding amounts" in (_objection(_SERVICES, program, Scale.PERCENT) or "")


@pytest.mark.parametrize("program", ["avg(98.5,97.1)", "abs(98.5-97.1)", "pct(59293,41322)", "59293/41322*100"])
def test_percentages_and_quotients_are_percent(program: str) -> None:
    """Given percentages, or a quotient of amounts, when the result is called percent, then nothing is said."""
    assert _objection(_SERVICES, program, Scale.PERCENT) is None


def test_constants_alone_are_no_answer() -> None:
    """Given a program of nothing but constants, when checked, then each must be printed or given."""
    assert _objection(_SERVICES, "5-3", Scale.MILLION) == "its program uses 5, 3, which no passage holds"
    assert [operand.found for operand in check_operands(calculate("5>3"), [Passage("p", _SERVICES)])] == [False, False]
    assert _objection("There were 5 sites, later 3.", "5-3", Scale.NONE) is None
    assert _objection("Four injuries, one fewer than the year before.", "4+1", Scale.NONE) is None
    assert _objection(_SERVICES, "12", Scale.NONE, "What of the 12 stores?") is None
    assert _objection(_SERVICES, "41322/12", Scale.NONE) is None


@pytest.mark.parametrize(
    ("page", "answer", "is_verified"),
    [
        ("Revenue increased $120 million (8%) to a record.", "It grew by 8%.", True),
        ("Revenue decreased $120 million (8%) to a low.", "It was -8%.", True),
        ("The board has ten (10) members.", "It has 10.", True),
        ("The margin was 8%.", "It grew $5 million (8%), a record.", True),
        ("Revenue | 120 | (8)%", "It grew by 8%.", False),
        ("Net loss was $(5.2) million, or (0.12) a share.", "It was 0.12.", False),
        ("Net cash from operations 120 (8)", "It was 8.", False),
        ("Income before income taxes | (412)", "It came to 412.", False),
        ("Earnings from continuing operations before taxes | (412)", "It came to 412.", False),
        ("Loss before income taxes | (412)", "It came to 412.", True),
        ("Income tax benefit | (412)", "It came to 412.", True),
        ("Depreciation and amortization | (412)", "It came to 412.", True),
    ],
)
def test_brackets_are_a_minus_unless_they_explain(page: str, answer: str, is_verified: bool) -> None:
    """Given a figure in brackets, when the answer has it without a sign, then the words around it decide."""
    number = check_numbers(answer, [Passage("p", page)]).numbers[-1]
    assert number.is_verified is is_verified
