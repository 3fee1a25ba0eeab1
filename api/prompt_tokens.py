"""Counts prompt tokens before a job is accepted, so that nothing over the limit is queued or cut."""

from collections.abc import Sequence
from typing import Protocol

import anyio.to_thread
from anyio import CapacityLimiter

from api.settings import ApiSettings
from common.model_files import TOKENIZER_NAME
from common.prompts import Message, Role
from common.tokens import ChatTokenizer

# Below this, counting takes less time than handing it to a thread and back would add.
INLINE_CHARACTERS = 500
COUNTING_THREADS = 2
# Around a turn's text: start and end token, newline, and the role's name with a newline, byte by byte at worst.
TURN_OVERHEAD_TOKENS = 3 + len(f"{Role.ASSISTANT}\n")


class PromptCounter(Protocol):
    """Tells how many tokens a chat takes as a prompt."""

    async def count(self, messages: Sequence[Message]) -> int:
        """Return the number of prompt tokens; raises ModelFilesError without a prepared tokenizer."""
        ...


class TokenizerCounter:
    """Exact counts by the prepared model's tokenizer, read at first use so that a model may be prepared later."""

    def __init__(self, settings: ApiSettings) -> None:
        self._path = settings.model_path / TOKENIZER_NAME
        self._tokenizer: ChatTokenizer | None = None
        self._limiter = CapacityLimiter(COUNTING_THREADS)

    async def count(self, messages: Sequence[Message]) -> int:
        """Return the number of prompt tokens; long prompts are counted in a thread."""
        tokenizer = await self.load()
        if sum(len(message.content) for message in messages) <= INLINE_CHARACTERS:
            return tokenizer.count_chat(messages)
        return await anyio.to_thread.run_sync(tokenizer.count_chat, messages, limiter=self._limiter)

    async def load(self) -> ChatTokenizer:
        """Return the tokenizer, reading it the first time; raises ModelFilesError."""
        if self._tokenizer is None:
            self._tokenizer = await anyio.to_thread.run_sync(ChatTokenizer.from_file, self._path, limiter=self._limiter)
        return self._tokenizer


class ByteBoundCounter:
    """An upper bound without a tokenizer, for the fake engine: byte-level BPE makes at most one token of a byte."""

    async def count(self, messages: Sequence[Message]) -> int:
        """Return a number that no byte-level tokenizer exceeds."""
        texts = sum(len(message.content.encode("utf-8")) for message in messages)
        # One turn more, because the prompt ends by opening the answer's.
        return texts + TURN_OVERHEAD_TOKENS * (len(messages) + 1)


def make_counter(settings: ApiSettings) -> PromptCounter:
    """Return the exact counter, or the upper bound where the fake engine runs without a prepared model."""
    if settings.engine == "fake" and not (settings.model_path / TOKENIZER_NAME).is_file():
        return ByteBoundCounter()
    return TokenizerCounter(settings)
