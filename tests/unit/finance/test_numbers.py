"""Figures as statements print them."""

import time
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.numbers import (
    Scale,
    compact_figure,
    format_figure,
    mentioned_scales,
    parse_figure,
    plain_decimal,
    round_half_up,
)


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("$(1,234.5)", "-1234.5"),
        ("(5,062)", "-5062"),
        ("$ 5.99", "5.99"),
        ("-3", "-3"),
        ("−3", "-3"),
        ("US$ 3", "3"),
        ("$(5)", "-5"),
        (".5", "0.5"),
        ("(4.2)%", "-4.2"),
        ("12.5%", "12.5"),
        ("€4.4 million", "4.4"),
        ("1,234,567", "1234567"),
        ("1,23,456", "123456"),
        ("3,75", "3.75"),
        ("€ (123,45)", "-123.45"),
        ("12,50%", "12.50"),
        ("0,07 million", "0.07"),
    ],
)
def test_printed_figures_are_read_with_their_sign(printed: str, value: str) -> None:
    figure = parse_figure(printed)
    assert figure is not None
    assert figure.value == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "—", "2019 €m", "abc", "1.2.3", "5)", "1 2", "((3", "1e9", "9" * 100, "1,2", "1,234,56"]
)
def test_other_text_is_no_figure(text: str) -> None:
    assert parse_figure(text) is None


def test_runs_of_spaces_take_no_time() -> None:
    """Given cells with long runs of spaces, as a layout leaves them, then reading them takes no noticeable time."""
    started_s = time.process_time()
    assert all(parse_figure(f"{number}{' ' * 60}x") is None for number in range(10))
    assert time.process_time() - started_s < 1


def test_amount_applies_the_scale() -> None:
    figure, share = parse_figure("1.5 million"), parse_figure("5%")
    assert figure is not None
    assert share is not None
    assert figure.amount == 1_500_000
    assert share.amount == Fraction(1, 20)


@pytest.mark.parametrize(
    ("cell", "compact"),
    [
        ("$47,625", "47625"),
        ("(1.6)", "-1.6"),
        ("6.1 %", "6.1%"),
        ("$-", "0"),
        ("—", "0"),
        ("3.40", "3.40"),
        ("€3,75", "3.75"),
        ("n/a", None),
    ],
)
def test_compact_cells_are_in_program_form(cell: str, compact: str | None) -> None:
    assert compact_figure(cell) == compact


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_a_printed_value_reads_back(value: Decimal) -> None:
    """Given any amount, when it is printed with commas and brackets, then parsing and compacting give it back."""
    printed = f"$({-value:,})" if value < 0 else f"${value:,}"
    figure = parse_figure(printed)
    assert figure is not None
    assert figure.value == value
    compact = compact_figure(printed)
    assert compact is not None
    assert Decimal(compact) == value
    assert compact == plain_decimal(figure.value)


@pytest.mark.parametrize(
    ("value", "decimals", "rounded"),
    [
        (Fraction(1, 8), 2, "0.13"),
        (Fraction(-1, 2), 0, "-1"),
        (Fraction(2675, 1000), 2, "2.68"),
        (Fraction(-1, 1000), 2, "0"),
    ],
)
def test_halves_round_away_from_zero(value: Fraction, decimals: int, rounded: str) -> None:
    assert round_half_up(value, decimals) == Decimal(rounded)


def test_figures_for_people() -> None:
    assert format_figure(Fraction(-24691357, 2000), Scale.MILLION) == "-12,345.68 million"
    assert format_figure(Fraction(25, 2), Scale.PERCENT) == "12.5%"
    assert format_figure(Fraction(-1, 1000), Scale.NONE) == "0"
    assert format_figure(Fraction(1200), Scale.NONE) == "1,200"


@pytest.mark.parametrize(
    ("caption", "scale"),
    [
        ("(in thousands, except per share data)", Scale.THOUSAND),
        ("£m", Scale.MILLION),
        ("2019 €m", Scale.MILLION),
        ("$'000", Scale.THOUSAND),
        ("All figures in USD ‘000", Scale.THOUSAND),
        ("RMB million", Scale.MILLION),
        ("(dollars in billions)", Scale.BILLION),
    ],
)
def test_captions_name_their_scale(caption: str, scale: Scale) -> None:
    assert mentioned_scales(caption) == {scale}


def test_plain_captions_name_none() -> None:
    assert mentioned_scales("Years ended December 31, 2019 and 2018") == frozenset()
