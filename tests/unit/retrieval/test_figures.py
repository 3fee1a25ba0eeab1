"""Figures in text, with their unit, scale and sign."""

import pytest

from worker.retrieval.figures import Unit, find_figures
from worker.retrieval.passage_figures import passage_figures


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
        ("$10.45 – $10.65", [("10.45", Unit.MONEY, None), ("10.65", Unit.MONEY, None)]),
        ("12% - 14%", [("12", Unit.PERCENT, None), ("14", Unit.PERCENT, None)]),
        ("$7 billion - $8 billion", [("7", Unit.MONEY, 9), ("8", Unit.MONEY, 9)]),
        ("$7 billion-$8 billion", [("7", Unit.MONEY, 9), ("8", Unit.MONEY, 9)]),
        ("412 -388", [("412", Unit.PLAIN, None), ("-388", Unit.PLAIN, None)]),
        ("the merger (2017)", [("2017", Unit.YEAR, None)]),
        ("years 2021 – 2022", [("2021", Unit.YEAR, None), ("2022", Unit.YEAR, None)]),
        ("Result | (1999)", [("-1999", Unit.YEAR, None)]),
        ("RMB130,109 million", [("130109", Unit.MONEY, 6)]),
        ("EUR5.2 and USD3", [("5.2", Unit.MONEY, None), ("3", Unit.MONEY, None)]),
        ("120.5m", [("120.5", Unit.PLAIN, 6)]),
        ("3,75 and 12,5 %", [("3.75", Unit.PLAIN, None), ("12.5", Unit.PERCENT, None)]),
        ("1.234,56", [("1234.56", Unit.PLAIN, None)]),
        ("1,23,456", [("123456", Unit.PLAIN, None)]),
        ("Rules 2,3", [("2", Unit.PLAIN, None)]),
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


def test_a_wrapped_line_keeps_the_scale_of_its_last_figure() -> None:
    """Given a line that ends between a figure and its scale, when the page is read, then they are one figure."""
    page = "It rose 17.3% to $762.7\nmillion compared to 9.6\npercent in 2022\nmillion"
    found = [placed.figure for placed in passage_figures(page)]
    assert [(page[figure.start : figure.end], figure.power, figure.unit) for figure in found] == [
        ("17.3%", None, Unit.PERCENT),
        ("$762.7\nmillion", 6, Unit.MONEY),
        ("9.6\npercent", None, Unit.PERCENT),
        ("2022", None, Unit.YEAR),
    ]


@pytest.mark.parametrize("page", ["Revenue | 412\nmillion", "Revenue 412\nMillions of pounds", "Revenue 412\nmn | 5"])
def test_a_row_takes_no_scale_from_the_next_line(page: str) -> None:
    """Given a row, or a caption below a figure, when the page is read, then the figure has no scale of its own."""
    assert next(iter(passage_figures(page))).figure.power is None


def test_places_are_exact() -> None:
    """Given figures in a sentence, when they are found, then their offsets cut out just them."""
    text = "Sales fell (by about $1,200 million) to 5 (2021: 7)."
    assert [text[found.start : found.end] for found in find_figures(text)] == ["$1,200 million", "5", "2021", "7"]
    assert [found.about for found in find_figures(text)] == [True, False, False, False]
