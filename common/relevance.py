"""How well a piece of text fits a question: shared words, rare ones counting more; pure, no I/O."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

_WORD = re.compile(r"[a-z]+|\d+(?:[.,]\d+)*")
_STOP_WORDS = frozenset(
    (
        "a an and are as at be by did do does for from had has have how in is it its of on or that the their "
        "this to was were what when where which who whom why will with much many company s"
    ).split()
)

_PHRASE_WEIGHT = 2.0
_MIN_PHRASE_SHARE = 0.6


class Relevance:
    """Scores units of text by a question's words, weighted by inverse document frequency, and by its word pairs.

    `phrases` are other words for what is asked; a unit gains by one where it holds most of its words, in any order.
    """

    def __init__(self, question: str, units: Sequence[str], phrases: Sequence[str] = ()) -> None:
        self._wanted = set(content_words(question))
        seen = Counter(word for unit in units for word in set(content_words(unit)))
        self._weight = {word: math.log(1 + len(units) / (1 + seen[word])) for word in self._wanted}
        pairs = content_words(question)
        self._pairs = set(pairwise(pairs))
        self._phrases = [words for words in (frozenset(content_words(phrase)) for phrase in phrases) if words]

    def score(self, unit: str) -> float:
        """Return how well a unit fits, 0 where no word and no phrase is shared."""
        words = content_words(unit)
        found = self._wanted.intersection(words)
        bigrams = self._pairs.intersection(pairwise(words))
        shares = (len(phrase.intersection(words)) / len(phrase) for phrase in self._phrases)
        phrases = sum(_PHRASE_WEIGHT * share for share in shares if share >= _MIN_PHRASE_SHARE)
        return sum(self._weight[word] for word in sorted(found)) + 1.5 * len(bigrams) + phrases


def content_words(text: str) -> list[str]:
    """Return the lower-case words that carry meaning, with plural and verb endings cut."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
