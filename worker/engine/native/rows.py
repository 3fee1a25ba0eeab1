"""One row of the engine: its tokens, how far its keys and values are computed, and the blocks that hold them."""

from dataclasses import dataclass, field

from worker.engine.base import EngineRequest
from worker.engine.native.blocks import BLOCK_TOKENS, block_hash
from worker.engine.native.speculation import PromptLookup


@dataclass(slots=True, eq=False)
class Row:
    """State of an admitted or waiting request; `tokens` are prompt and generated tokens together."""

    number: int
    request: EngineRequest
    tokens: list[int]
    computed: int = 0
    cached_prompt_tokens: int = 0
    blocks: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    lookup: PromptLookup = field(default_factory=PromptLookup)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return len(self.request.prompt_token_ids)

    @property
    def generated(self) -> int:
        """Tokens made so far."""
        return len(self.tokens) - self.prompt_tokens

    @property
    def decoding(self) -> bool:
        """Whether all but the last token are computed, and that one was generated."""
        return self.computed == len(self.tokens) - 1 and self.generated > 0

    @property
    def priority(self) -> tuple[bool, int]:
        """Urgent rows first, then first come, first served."""
        return not self.request.urgent, self.number

    def full_hashes(self, count: int) -> list[bytes]:
        """Return the hashes of the first `count` blocks, all of which must be full."""
        while len(self.hashes) < count:
            first = len(self.hashes) * BLOCK_TOKENS
            previous = self.hashes[-1] if self.hashes else b""
            self.hashes.append(block_hash(previous, self.tokens[first : first + BLOCK_TOKENS]))
        return self.hashes[:count]


@dataclass(frozen=True, slots=True)
class Slice:
    """What one step computes of a row: `tokens` from `row.computed` on, the last `drafted` of them guesses.

    `choices` of the last tokens get a next token each: none inside a prompt, one more than the guesses otherwise.
    """

    row: Row
    tokens: list[int]
    drafted: int
    choices: int
