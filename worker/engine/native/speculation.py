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

# Tokens of a step at which computing takes as long as reading the weights: below it an extra token is nearly free.
BALANCE_TOKENS = {"amx": 80, "avx512": 18, "avx_vnni": 10, "avx2": 6, "portable": 2}


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
        # A guess at depth k pays while rate^k exceeds what one more token costs, as a share of a token's worth.
        cost = step_tokens / (step_tokens + balance_tokens)
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
