"""TAT-QA's exact match, F1 and scale score by the rules of its official evaluation (github.com/NExTplusplus/TAT-QA).

Rules re-implemented from `tatqa_metric.py` and `tatqa_utils.py`, quirks included: `(1,234)` reads as positive because
of its comma while `(123)` is negative; F1 counts distinct words and is rounded to two digits a question; the answers of
one question are sorted and joined before they are compared.
"""

import math
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_DROPPED_IN_NUMBERS = frozenset("'\"\\$€£¥%(),[]")
_PUNCTUATION = frozenset(string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_FIRST_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)|[+-]?\.\d+")
_SCALED_NUMBER = re.compile(r"[\d.]+\s?[a-zA-Z]+")
_BRACKETED = re.compile(r"\([\d.\s]+\)")
_PERCENT = re.compile(r"[\d.\s]+%")
_SCALE_WORTH = (("hundred", 100), ("thousand", 1000), ("million", 10**6), ("billion", 10**9), ("percent", 0.01))


@dataclass(frozen=True, slots=True)
class TatqaScore:
    """Exact match and F1 of one question, and whether the scale was right."""

    em: float
    f1: float
    scale: float


def score_question(question: dict[str, Any], prediction: Sequence[str] | str | None, scale: str | None) -> TatqaScore:
    """Score a prediction against a question of the official file; an empty one scores nothing, scale included."""
    if not prediction:
        return TatqaScore(0.0, 0.0, 0.0)
    predicted = [prediction] if isinstance(prediction, str) else [str(part) for part in prediction]
    gold = _gold_answers(question)
    if not gold:
        return TatqaScore(0.0, 0.0, 0.0)
    scale = scale or ""
    wanted = _answer_text(gold, question["scale"])
    candidates = [_answer_text(predicted, scale)]
    bare = _bare_number(predicted, scale)
    if bare is not None:
        candidates.append(bare)
    em, f1 = max(_compare(candidate, wanted) for candidate in candidates)
    if question["answer_type"] in ("arithmetic", "count"):
        f1 = em
    return TatqaScore(em, f1, float(question["scale"] == scale))


def scale_worth(text: str) -> float:
    """Return what a scale word in the text is worth, 1 where there is none."""
    lower = text.lower()
    return next((worth for word, worth in _SCALE_WORTH if word in lower), 1)


def is_number(text: str) -> bool:
    """Return whether the official rules read the text as a number, alone or with a scale word after it."""
    words = " ".join(_bare(word) for word in text.split()).split()
    if not words:
        return False
    try:
        if math.isnan(float(words[0])):
            return False
    except ValueError:
        return False
    return len(words) < 2 or scale_worth(words[1]) != 1


def to_number(text: str) -> float | None:
    """Return the number in the text with its scale word, sign and percent applied, rounded to four digits."""
    found = _FIRST_NUMBER.search(_bare(text))
    if found is None or not found[1]:
        return None
    number = float(found[1]) if "." in found[1] else int(found[1])
    scaled = _SCALED_NUMBER.search(text)
    sign = -1 if _BRACKETED.search(text.strip()) else 1
    percent = 0.01 if _PERCENT.search(text.strip()) else 1
    return round(number * (scale_worth(scaled[0]) if scaled else 1) * sign * percent, 4)


def normalize_answer(text: str) -> str:
    """Return the text in lower case without punctuation and articles, its numbers in one form."""
    parts = []
    for token in text.split(" "):
        word = token.lower()
        if not is_number(word):
            word = "".join(letter for letter in word if letter not in _PUNCTUATION)
        if is_number(word):
            word = str(to_number(word))
        word = " ".join(_ARTICLES.sub(" ", word).split())
        if word:
            parts.append(word)
    return " ".join(parts).strip()


def _gold_answers(question: dict[str, Any]) -> list[str]:
    answer = question["answer"]
    if question["answer_type"] in ("span", "multi-span"):
        return [str(part) for part in answer]
    if question["answer_type"] == "count":
        return [str(int(answer))]
    return [str(answer)]


def _answer_text(answers: Sequence[str], scale: str) -> str:
    texts = []
    for answer in sorted(answers):
        number = to_number(answer) if is_number(answer) else None
        if number is None:
            texts.append(f"{answer} {scale}" if scale else answer)
        elif "%" in answer:
            texts.append(f"{number:.4f}")
        else:
            texts.append(f"{round(number, 2) * scale_worth(scale):.4f}")
    return " ".join(texts)


def _bare_number(predicted: Sequence[str], scale: str) -> str | None:
    """Return a lone number without scale as it stands: 0.2342 is right where 23.42 percent is wanted."""
    if len(predicted) != 1 or scale or "%" in predicted[0] or not is_number(predicted[0]):
        return None
    number = to_number(predicted[0])
    return None if number is None else f"{number:.4f}"


def _compare(predicted: str, wanted: str) -> tuple[float, float]:
    left, right = normalize_answer(predicted), normalize_answer(wanted)
    bag, gold = set(left.split()), set(right.split())
    shared = len(bag & gold)
    precision = shared / len(bag) if bag else 1.0
    recall = shared / len(gold) if gold else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision or recall else 0.0
    return float(left == right), round(f1, 2)


def _bare(text: str) -> str:
    return "".join(letter for letter in text if letter not in _DROPPED_IN_NUMBERS)
