"""The arithmetic of the confidence bench."""

import pytest

from tests.bench.confidence import Scored, bins, ranking


def test_answers_are_put_into_ranges_surest_first() -> None:
    """Given three answers, then each range tells its own, and what all that are at least so sure come to."""
    answers = [Scored(1.0, True), Scored(0.9, False), Scored(0.9, True), Scored(0.1, False)]
    surest, sure, unsure = bins(answers)
    assert (surest.at_least, surest.answers, surest.right, surest.kept) == (0.95, 1, 1.0, 0.25)
    assert (sure.at_least, sure.answers, sure.right) == (0.8, 2, 0.5)
    assert sure.mean_confidence == pytest.approx(0.9)
    assert sure.kept == 0.75
    assert sure.right_of_kept == pytest.approx(2 / 3)
    assert (unsure.at_least, unsure.right, unsure.kept, unsure.right_of_kept) == (0.0, 0.0, 1.0, 0.5)


@pytest.mark.parametrize(
    ("right", "wrong", "area"), [([0.9, 0.8], [0.1, 0.2], 1.0), ([0.1], [0.9], 0.0), ([0.5, 0.9], [0.5], 0.75)]
)
def test_ranking_is_the_area_under_the_curve(right: list[float], wrong: list[float], area: float) -> None:
    assert ranking([*(Scored(one, True) for one in right), *(Scored(one, False) for one in wrong)]) == area
