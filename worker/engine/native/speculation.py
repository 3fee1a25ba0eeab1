"""Prompt-lookup speculation: guess that the text goes on as it did after the same three tokens before.

The forward pass checks a guess in the same step, so the output is that of plain decoding. After A. Saxena, "Prompt
Lookup Decoding" (2023); the length follows the row's measured acceptance and the load of the step.
"""

from math import log

NGRAM = 3
MAX_DRAFT = 15
_START_RATE = 0.6
_LEARNING = 0.15
_PROBE_EVERY = 4
# What a token more costs one row alone, which runs at the speed of memory.
_LEAST_COST = 0.05

# Tokens of a step that take as long to compute as its weights take to read. AVX512: 1.7 ms a token beside 15 ms;
# the others are estimates from how many products they make in a cycle, not measured.
BALANCE_TOKENS = {"amx": 32, "avx512": 10, "avx_vnni": 5, "avx2": 3, "portable": 1}


class PromptLookup:
    """The guesses of one row."""

    def __init__(self) -> None:
        self.rate = _START_RATE
        self._next: dict[tuple[int, int, int], int] = {}
        self._indexed = NGRAM
        self._refused = 0

    def draft(self, tokens: list[int], limit: int, step_tokens: int, balance_tokens: int) -> list[int]:
        """Return up to `limit` guessed tokens to follow `tokens`; `step_tokens` are in the step already."""
        self._index(tokens)
        if limit < 1 or len(tokens) < NGRAM:
            return []
        start = self._next.get((tokens[-3], tokens[-2], tokens[-1]))
        if start is None:
            return []
        length = min(limit, self._length(step_tokens, balance_tokens))
        return tokens[start : start + length]

    def learn(self, drafted: int, accepted: int) -> None:
        """Take in how many of the drafted tokens were right."""
        for _ in range(accepted):
            self.rate += _LEARNING * (1.0 - self.rate)
        if accepted < drafted:
            self.rate -= _LEARNING * self.rate

    def _length(self, step_tokens: int, balance_tokens: int) -> int:
        # A step of n tokens takes about sqrt(n^2 + balance^2), so one more token costs this share of what one is
        # worth; a guess at depth k pays while rate^k exceeds it.
        cost = max(_LEAST_COST, step_tokens**2 / (step_tokens**2 + balance_tokens**2))
        length = MAX_DRAFT if self.rate > 0.999 else int(log(cost) / log(max(self.rate, 1e-3)))
        if length > 0:
            return min(length, MAX_DRAFT)
        self._refused += 1
        return 1 if self._refused % _PROBE_EVERY == 0 else 0

    def _index(self, tokens: list[int]) -> None:
        # The last three tokens stay out, so that a look-up never finds itself.
        for end in range(self._indexed, len(tokens)):
            self._next[(tokens[end - 3], tokens[end - 2], tokens[end - 1])] = end
        self._indexed = max(self._indexed, len(tokens))
