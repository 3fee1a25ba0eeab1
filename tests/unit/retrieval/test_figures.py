"""Figures in text, with their unit, scale and sign."""

import pytest

from worker.retrieval.figures import Unit, find_figures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$34.2 billion", [("34.2", Unit.MONEY, 9)]),
        ("(16,820)", [("-16820", Unit.PLAIN, None)]),
        ("$(1,199)", [("-1199", Unit.MONEY, None)]),
        ("(3.2)% and (0.1%)", [("-3.2", Unit.PERCENT, None), ("-0.1", Unit.PERCENT, None)]),
        ("-3.2 percent", [("-3.2", Unit.PERCENT, None)]),
        ("50 basis points", [("50", Unit.BASIS_POINTS, None)]),
        ("$5bn, $3M and €40 million", [("5", Unit.MONEY, 9), ("3", Unit.MONEY, 6), ("40", Unit.MONEY, 6)]),
        ("12-15%", [("12", Unit.PLAIN, None), ("15", Unit.PERCENT, None)]),
        ("FY2022 and 2021", [("2022", Unit.YEAR, None), ("2021", Unit.YEAR, None)]),
        ("(a loss of $5 million)", [("5", Unit.MONEY, 6)]),
        ("1.5x", [("1.5", Unit.PLAIN, None)]),
    ],
)
def test_figures_are_read(text: str, expected: list[tuple[str, Unit, int | None]]) -> None:
    """Given figures as answers write them, when they are found, then value, unit and stated scale are known."""
    assert [(str(found.value), found.unit, found.power) for found in find_figures(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "10-K",
        "3M Company",
        "COVID-19",
        "Q2",
        "see Note 5",
        "Item 7",
        "December 31,",
        "1. First",
        "5-year",
        "24/7",
        "2nd",
    ],
)
def test_names_and_references_are_no_figures(text: str) -> None:
    """Given digits that are part of a name, a date or a reference, when figures are sought, then there are none."""
    assert list(find_figures(text)) == []


def test_places_are_exact() -> None:
    """Given figures in a sentence, when they are found, then their offsets cut out just them."""
    text = "Sales fell (by about $1,200 million) to 5 (2021: 7)."
    assert [text[found.start : found.end] for found in find_figures(text)] == ["$1,200 million", "5", "2021", "7"]
    assert [found.about for found in find_figures(text)] == [True, False, False, False]
