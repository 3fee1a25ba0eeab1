"""From tokens to text while they come, for every engine alike."""

from collections.abc import Sequence
from typing import Protocol

from common.prompts import Message

UNFINISHED_CHARACTER = "\ufffd"


class Tokenizer(Protocol):
    """What the worker needs of a tokenizer."""

    @property
    def stop_token_ids(self) -> frozenset[int]: ...

    def encode_chat(self, messages: Sequence[Message]) -> list[int]: ...

    def encode_text(self, text: str) -> list[int]: ...

    def decode(self, token_ids: Sequence[int]) -> str: ...


class TextAssembler:
    """Turns a row's tokens into text, and finds its stop strings.

    `text` never ends in the middle of a character or in what may become a stop string, so it can be shown at once.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._longest_stop = max((len(string) for string in stop), default=0)
        self._token_ids: list[int] = []
        # Tokens before `_settled` never change their text again; those before `_window` do not touch later ones.
        self._window = 0
        self._settled = 0
        self._raw = ""
        self.text = ""
        self.stopped = False

    def push(self, token_id: int) -> None:
        """Take one more token; `stopped` turns true when a stop string is complete."""
        self._token_ids.append(token_id)
        before = self._tokenizer.decode(self._token_ids[self._window : self._settled])
        after = self._tokenizer.decode(self._token_ids[self._window :])
        if after.endswith(UNFINISHED_CHARACTER):
            return
        self._window, self._settled = self._settled, len(self._token_ids)
        self._append(after[len(before) :])

    def finish(self) -> str:
        """Return the whole text; what was held back is part of it now."""
        if not self.stopped:
            rest = self._tokenizer.decode(self._token_ids[self._window :])
            before = self._tokenizer.decode(self._token_ids[self._window : self._settled])
            self._append(rest[len(before) :])
            if not self.stopped:
                self.text = self._raw
        return self.text

    def _append(self, new: str) -> None:
        searched_from = max(0, len(self._raw) - self._longest_stop + 1)
        self._raw += new
        # The one that is complete first counts, however many characters a token brings.
        found = ((self._raw.find(string, searched_from), string) for string in self._stop)
        hits = [(start + len(string), start) for start, string in found if start >= 0]
        if hits:
            self.text = self._raw[: min(hits)[1]]
            self.stopped = True
            return
        self.text = self._raw[: len(self._raw) - self._held_back()]

    def _held_back(self) -> int:
        """Return how many characters at the end may be the start of a stop string."""
        for length in range(min(self._longest_stop - 1, len(self._raw)), 0, -1):
            tail = self._raw[-length:]
            if any(string.startswith(tail) for string in self._stop):
                return length
        return 0
