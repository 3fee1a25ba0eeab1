"""The answer line: strict parsing, execution, and the text people read."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.answers import (
    NOT_FOUND,
    AnswerKind,
    count_line,
    number_line,
    parse_line,
    read_answer,
    retry_prefix,
    span_line,
)
from common.errors import UnparseableAnswerError
from common.evidence import Document
from common.numbers import Scale
from common.tables import Table

PAGE = Document((Table.from_cells([["", "2019", "2018"], ["Loss", "$(5,062)", "$47,625"], ["Tax", "—", "3%"]]),), ())


def test_a_program_is_executed_and_kept() -> None:
    answer = read_answer("=pct(120.5,100.0) | percent", None)
    assert (answer.kind, answer.text) == (AnswerKind.NUMBER, "20.5%")
    assert answer.value == Fraction(41, 2)
    assert answer.program == "pct(120.5,100.0)"
    assert [operand.text for operand in answer.operands] == ["120.5", "100.0"]


def test_scale_and_sign_are_in_the_text() -> None:
    assert read_answer("=1000.5-3000 | million", None).text == "-1,999.5 million"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What was diluted earnings per share in 2022?", "10.18"),
        ("What was the EPS?", "10.18"),
        ("What was the dividend per common share?", "10.18"),
        ("How many shares were outstanding?", "10.18 million"),
        ("How many dilutive shares were used in computing earnings per share?", "10.18 million"),
        ("What were weighted-average shares for diluted EPS in 2022?", "10.18 million"),
        ("What was the price per share of the shares sold?", "10.18"),
    ],
)
def test_an_amount_per_share_has_no_scale(question: str, text: str) -> None:
    """Given a line with the table's scale, when the question is about one share, then the scale is left out."""
    assert read_answer("10.18 | million", None, question).text == text


def test_a_follow_up_asks_for_an_amount_per_share_too() -> None:
    """Given a question about one share before, when one goes on that names nothing, then the scale is left out."""
    answer = read_answer("10.18 | million", None, "And in 2022?", ("What was diluted EPS in 2023?",))
    assert (answer.text, answer.scale) == ("10.18", Scale.NONE)


@pytest.mark.parametrize(
    ("line", "value", "scale"),
    [
        ("$3.4 million | none", "3.4", Scale.MILLION),
        ("$3.4 million | thousand", "3.4", Scale.MILLION),
        ("3.4 | million", "3.4", Scale.MILLION),
        ("12.5% | none", "12.5", Scale.PERCENT),
        ("3,75 | million", "3.75", Scale.MILLION),
        ("=1+2 | million", "3", Scale.MILLION),
    ],
)
def test_a_copied_figure_keeps_the_scale_it_is_printed_with(line: str, value: str, scale: Scale) -> None:
    """Given a figure with its word of scale, when read, then that is its value's scale, and the line keeps its own."""
    answer = read_answer(line, None)
    assert (answer.value, answer.value_scale) == (Fraction(value), scale)
    assert answer.scale == parse_line(line).scale


def test_several_figures_have_the_scale_of_their_line() -> None:
    answer = read_answer("$3.4 million ## $2 million | none", None)
    assert (answer.value, answer.value_scale) == (None, Scale.NONE)


def test_a_decimal_comma_is_read_and_shown_again() -> None:
    """Given a page whose commas are decimal ones, when a figure is copied, then value and text are the page's."""
    page = Document((Table.from_cells([["", "2019", "2018"], ["Dividend", "3,75", "3,10"]]),), ())
    answer = read_answer("3.75 | none", page)
    assert (answer.value, answer.text) == (Fraction(15, 4), "3,75")


def test_a_percentage_per_share_stays_one() -> None:
    """Given a percent change of an amount per share, then it stays a percentage."""
    assert read_answer("=pct(11,10) | percent", None, "By how much did earnings per share grow?").text == "10%"


def test_small_ratios_keep_two_significant_digits() -> None:
    assert read_answer("=1/300 | none", None).text == "0.0033"


def test_figures_get_back_their_printed_form() -> None:
    """Given spans copied from compact cells, then the answer shows them as the page does."""
    answer = read_answer("-5062 ## 47625 ## 0 | thousand", PAGE)
    assert answer.items == ("$(5,062)", "$47,625", "—")
    assert answer.text == "$(5,062) thousand, $47,625 thousand, —"


def test_text_spans_stay_as_they_are() -> None:
    answer = read_answer("due to | pipes ## and more | none", PAGE)
    assert answer.items == ("due to | pipes", "and more")


def test_a_count_counts_its_items() -> None:
    answer = read_answer("#2019 ## 2018 | none", None)
    assert (answer.text, answer.items) == ("2", ("2019", "2018"))
    assert answer.value == 2


def test_comparisons_and_refusals() -> None:
    assert read_answer("=3>2 | none", None).text == "yes"
    assert read_answer("not in the context", None).kind is AnswerKind.NOT_FOUND


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1200",
        "1200 | dozens",
        "1200 | million | ",
        "=1+ | none",
        "=1/0 | percent",
        " ##  | none",
        "a ##  ## b | none",
        "# | none",
        "a | none\nb | none",
        "Not in the context.",
        "x" * 5000 + " | none",
        " ## ".join(["a"] * 65) + " | none",
    ],
)
def test_anything_else_is_unparseable(line: str) -> None:
    with pytest.raises(UnparseableAnswerError):
        read_answer(line, None)


_ITEM = (
    st.text(alphabet="abc $5,.%|-", min_size=1, max_size=12)
    .map(str.strip)
    .filter(lambda item: item and item[0] not in "=#")
)


@given(st.lists(_ITEM, min_size=1, max_size=4), st.sampled_from(Scale))
def test_written_lines_read_back(items: list[str], scale: Scale) -> None:
    """Given any line that training writes, when it is parsed, then the same line comes back."""
    for line in (span_line(tuple(items), scale), count_line(tuple(items)), number_line("1+2", scale), NOT_FOUND):
        assert parse_line(str(line)) == line


@given(st.text(max_size=80))
def test_any_output_is_an_answer_or_unparseable(text: str) -> None:
    try:
        answer = read_answer(text, PAGE)
    except UnparseableAnswerError:
        return
    assert answer.text


@pytest.mark.parametrize(
    ("broken", "prefix"),
    [
        ("=1+2", "=1+2 |"),
        ("=1+2 | dozen", "=1+2 |"),
        ("=1+(2 | none", "="),
        ("net sales rose", "net sales rose |"),
        ("a | none\nand on", "a |"),
        ("", ""),
    ],
)
def test_a_second_try_keeps_what_was_sound(broken: str, prefix: str) -> None:
    assert retry_prefix(broken) == prefix
