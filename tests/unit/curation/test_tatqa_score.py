"""TAT-QA's official rules, on the cases where they surprise."""

from typing import Any

import pytest

from training.tasks.tatqa_score import is_number, normalize_answer, score_question, to_number


def question(answer: Any, kind: str, scale: str = "") -> dict[str, Any]:
    return {"answer": answer, "answer_type": kind, "scale": scale}


@pytest.mark.parametrize(
    ("gold", "prediction", "scale", "em", "f1"),
    [
        # a number is its value, however it is printed
        (question(["$1,305"], "span", "million"), ["1305"], "million", 1, 1),
        (question(["2,460"], "span", "thousand"), ["2.46"], "million", 1, 1),
        # an answer is rounded to two digits before its scale
        (question(["2,467"], "span", "thousand"), ["2.467"], "million", 0, 0),
        (question(-9.9, "arithmetic", "percent"), ["-9.9"], "percent", 1, 1),
        # brackets mean minus only without a thousands comma
        (question(["(1.6)"], "span", "million"), ["-1.6"], "million", 1, 1),
        (question(["(5,062)"], "span", "thousand"), ["-5062"], "thousand", 0, 0),
        (question(["(5,062)"], "span", "thousand"), ["5062"], "thousand", 1, 1),
        # a bare fraction counts for a percentage, but only without a scale
        (question(23.42, "arithmetic", "percent"), ["0.2342"], "", 1, 1),
        (question(23.42, "arithmetic", "percent"), ["0.2342"], "percent", 0, 0),
        (question(5.3, "arithmetic", "percent"), ["5.3%"], "", 1, 1),
        # the scale belongs to the answer
        (question(27.75, "arithmetic", "million"), ["27.75"], "thousand", 0, 0),
        (question(27.75, "arithmetic", "million"), ["27.754"], "million", 1, 1),
        (question("2", "count"), ["2"], "", 1, 1),
        (question("2", "count"), ["two"], "", 0, 0),
        # words: articles, case and punctuation do not count, order of several answers neither
        (question(["The Company's assets."], "span"), ["companys assets"], "", 1, 1),
        (question(["2019", "2018"], "multi-span"), ["2018", "2019"], "", 1, 1),
        (question(["2019", "2018"], "multi-span"), ["2018"], "", 0, 0.67),
        (question(["net sales rose"], "span"), ["sales rose"], "", 0, 0.8),
        (question(["a b"], "span"), ["c d"], "", 0, 0),
        (question(["5"], "span"), [], "", 0, 0),
        (question(["5"], "span"), None, None, 0, 0),
    ],
)
def test_exact_match_and_f1(gold: dict[str, Any], prediction: Any, scale: str | None, em: float, f1: float) -> None:
    points = score_question(gold, prediction, scale)
    assert (points.em, points.f1) == (em, f1)


def test_scale_counts_only_with_an_answer() -> None:
    gold = question(["5"], "span", "million")
    assert score_question(gold, ["6"], "million").scale == 1
    assert score_question(gold, ["5"], None).scale == 0
    assert score_question(gold, [], "million").scale == 0


def test_f1_of_arithmetic_is_its_exact_match() -> None:
    assert score_question(question(1.5, "arithmetic", "million"), ["1.6"], "million").f1 == 0


def test_numbers_with_scale_words() -> None:
    assert is_number("1.2 million")
    assert not is_number("12 employees")
    assert not is_number("nan")
    assert to_number("$1.2 million") == 1_200_000
    assert to_number("12%") == 0.12
    assert to_number("none") is None


def test_text_is_normalised() -> None:
    assert normalize_answer("The $1,000 (net) of an A-Share") == "1000 net of ashare"
