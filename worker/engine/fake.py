"""A complete engine without a model: deterministic, with every phase of a real one, for tests and smoke runs."""

import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from common.errors import EngineError, PromptTooLongError
from common.prompts import Message
from worker.engine.base import EngineCapabilities, EngineRequest, FinishReason, TokenEvent

STOP_TOKEN = 256
PREFILL_TOKENS_PER_STEP = 4_096
WORDS = ("revenue", "margin", "cash", "growth", "dividend", "guidance", "segment", "share", "cost", "outlook")


class ByteTokenizer:
    """One token a byte, so that the fake engine needs no model files."""

    stop_token_ids = frozenset({STOP_TOKEN})

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """Return the bytes of all messages."""
        return list("\n".join(message.content for message in messages).encode("utf-8", "surrogatepass"))

    def encode_text(self, text: str) -> list[int]:
        """Return the bytes of a text."""
        return list(text.encode("utf-8", "surrogatepass"))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of the bytes; an unfinished character becomes U+FFFD."""
        return bytes(token for token in token_ids if token < STOP_TOKEN).decode("utf-8", "replace")


@dataclass(slots=True)
class _Row:
    request: EngineRequest
    answer: tuple[int, ...]
    prefilled: int = 0
    made: int = 0
    fault: str | None = None


@dataclass(slots=True)
class _Prefixes:
    """Prompts seen before, so that repeated contexts report cached tokens as a real prefix cache would."""

    seen: set[int] = field(default_factory=set)
    block_tokens: int = 32

    def cached_tokens(self, prompt: Sequence[int]) -> int:
        """Return how many leading tokens were seen, and remember the prompt."""
        cached = 0
        checksum = 0
        for end in range(self.block_tokens, len(prompt), self.block_tokens):
            block = bytes(token % 256 for token in prompt[end - self.block_tokens : end])
            checksum = zlib.crc32(block, checksum)
            if checksum in self.seen and cached == end - self.block_tokens:
                cached = end
            self.seen.add(checksum)
        return cached


class FakeEngine:
    """Answers every prompt with words picked by its checksum.

    With `faults`, a prompt that holds <<crash>>, <<hang>>, <<raise>> or <<row-error>> makes the engine do that in its
    second step, and <<long>> makes the answer as long as max_tokens allows.
    """

    def __init__(self, max_rows: int, max_row_tokens: int, step_ms: float, faults: bool = False) -> None:
        self.capabilities = EngineCapabilities(
            name="fake",
            max_rows=max_rows,
            max_row_tokens=max_row_tokens,
            batch_invariant=True,
            sampling=True,
            logprobs=False,
            prefix_cache=True,
            speculation=False,
        )
        self._step_s = step_ms / 1000
        self._faults = faults
        self._rows: dict[int, _Row] = {}
        self._waiting: list[int] = []
        self._prefixes = _Prefixes()
        self._next_row = 0

    def add(self, request: EngineRequest) -> int:
        """Admit a row; raises PromptTooLongError if it is longer than a row may be."""
        prompt_tokens, limit = len(request.prompt_token_ids), self.capabilities.max_row_tokens
        if prompt_tokens + request.max_tokens > limit:
            raise PromptTooLongError(prompt_tokens, request.max_tokens, limit)
        number = self._next_row
        self._next_row += 1
        text = ByteTokenizer().decode(request.prompt_token_ids)
        answer = _answer(request, long=self._faults and "<<long>>" in text)
        self._rows[number] = _Row(request, answer, fault=self._fault_of(text))
        self._waiting.append(number)
        return number

    def step(self) -> list[TokenEvent]:
        """Prefill what waits, then make one token for each running row."""
        if self._step_s:
            time.sleep(self._step_s)
        running = [number for number in self._rows if number not in self._waiting]
        events = [event for number in running if (event := self._decode(number, len(running))) is not None]
        self._prefill()
        return events

    def abort(self, row: int) -> None:
        """Forget a row."""
        self._rows.pop(row, None)
        if row in self._waiting:
            self._waiting.remove(row)

    def has_work(self) -> bool:
        """Tell whether any row is left."""
        return bool(self._rows)

    def close(self) -> None:
        """Forget all rows."""
        self._rows.clear()
        self._waiting.clear()

    def _prefill(self) -> None:
        budget = PREFILL_TOKENS_PER_STEP
        free = self.capabilities.max_rows - (len(self._rows) - len(self._waiting))
        for number in sorted(self._waiting, key=lambda row: not self._rows[row].request.urgent):
            if free <= 0 or budget <= 0:
                return
            row = self._rows[number]
            taken = min(budget, len(row.request.prompt_token_ids) - row.prefilled)
            row.prefilled += taken
            budget -= taken
            if row.prefilled == len(row.request.prompt_token_ids):
                self._waiting.remove(number)
                free -= 1

    def _decode(self, number: int, rows_in_step: int) -> TokenEvent | None:
        row = self._rows[number]
        if row.made == 1 and row.fault is not None:
            return self._fail(number, row.fault, rows_in_step)
        token = row.answer[row.made]
        row.made += 1
        cached = self._prefixes.cached_tokens(row.request.prompt_token_ids) if row.made == 1 else 0
        reason = None
        if token in row.request.stop_token_ids:
            reason = FinishReason.STOP
        elif row.made == row.request.max_tokens:
            reason = FinishReason.LENGTH
        if reason is not None:
            del self._rows[number]
        return TokenEvent(number, token, time.monotonic(), rows_in_step, reason, cached_prompt_tokens=cached)

    def _fault_of(self, text: str) -> str | None:
        if not self._faults:
            return None
        return next((fault for fault in ("crash", "hang", "raise", "row-error") if f"<<{fault}>>" in text), None)

    def _fail(self, number: int, fault: str, rows_in_step: int) -> TokenEvent:
        if fault == "crash":
            os._exit(9)
        if fault == "hang":
            time.sleep(3600)
        if fault == "raise":
            raise RuntimeError("the fake engine was asked to raise")
        del self._rows[number]
        error = EngineError("The fake engine was asked to fail this row.")
        return TokenEvent(number, None, time.monotonic(), rows_in_step, FinishReason.ERROR, error=error)


def _answer(request: EngineRequest, long: bool) -> tuple[int, ...]:
    """Return the tokens of a row's answer, a stop token at its end."""
    checksum = zlib.crc32(bytes(token % 256 for token in request.prompt_token_ids)) ^ request.sampling.seed
    count = request.max_tokens if long else 4 + checksum % 4
    words = " ".join(WORDS[(checksum >> (number % 24)) % len(WORDS)] for number in range(count))
    return (*f"{words}.".encode(), STOP_TOKEN)
