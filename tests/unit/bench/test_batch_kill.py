"""How a killed batch is counted, and what it asks."""

from collections import Counter

from tests.bench.batch_kill import lost_and_doubled, question


def test_missing_and_repeated_rows_are_counted() -> None:
    """Given four lines of which one has no row and one has two, when counted, then each is found."""
    assert lost_and_doubled(Counter({"row-0": 1, "row-1": 2, "row-3": 1}), 4) == (1, 1)


def test_a_row_of_no_line_replaces_none() -> None:
    """Given as many rows as lines, one of them under an unknown id, when counted, then a line is missing."""
    assert lost_and_doubled(Counter({"row-0": 1, "row-7": 1}), 2) == (1, 0)


def test_no_two_lines_ask_the_same() -> None:
    """Given a thousand lines, when compared without their ids, then all differ: twins would be computed once."""
    assert len({question(number).split('"body"')[1] for number in range(1000)}) == 1000
