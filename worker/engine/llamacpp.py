"""llama.cpp behind the engine contract, through the low-level batches of its Python bindings, on a Q8_0 GGUF.

One unified cache holds every row as a sequence. A step feeds one token of each running row and as much of waiting
prompts as fits the batch. A row is admitted when the cache has room for its prompt and all it may generate, so that
no row is ever pushed out. Products depend on the batch's shape, so no row promises the same tokens in every batch.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.cpu_quota import usable_cpus
from common.errors import EngineError
from worker.engine.base import EngineCapabilities, EngineRequest, FinishReason, TokenEvent
from worker.engine.llamacpp_context import BATCH_TOKENS, Context, Entry
from worker.engine.numpy_sampling import Floats, choose, generator_for, logprob
from worker.engine.optional import exported, import_for
from worker.engine.requests import EngineLimits, check_request, finish_reason

GGUF_NAME = "q8_0.gguf"


@dataclass(slots=True, eq=False)
class _Row:
    number: int
    request: EngineRequest
    generator: np.random.Generator | None
    tokens: list[int]
    slot: int = -1
    computed: int = 0

    @property
    def made(self) -> int:
        return len(self.tokens) - len(self.request.prompt_token_ids)

    @property
    def reserved(self) -> int:
        """Tokens of cache that the row may come to need."""
        return len(self.request.prompt_token_ids) + self.request.max_tokens


class LlamaEngine:
    """Implements `worker.engine.base.Engine`.

    Raises ConfigurationError without llama-cpp-python, ModelFilesError where the GGUF is missing or unreadable.
    """

    def __init__(self, model_dir: Path, limits: EngineLimits) -> None:
        library = import_for("llamacpp", "llama_cpp")
        path = exported("llamacpp", model_dir / GGUF_NAME)
        self._context = Context(library, path, limits.max_rows, limits.cache_bytes, limits.threads or usable_cpus())
        row_tokens = min(limits.max_row_tokens, self._context.trained_tokens, self._context.cache_tokens)
        self._capabilities = EngineCapabilities(
            name="llamacpp",
            max_rows=limits.max_rows,
            max_row_tokens=row_tokens,
            batch_invariant=False,
            sampling=True,
            logprobs=True,
            prefix_cache=False,
            speculation=False,
        )
        self._waiting: list[_Row] = []
        self._running: list[_Row] = []
        self._free_slots = list(range(limits.max_rows))
        self._next_number = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this engine can do; `max_row_tokens` is what cache and model allow."""
        return self._capabilities

    def add(self, request: EngineRequest) -> int:
        """Queue a row; raises RequestError where it can never run."""
        check_request(request, self._capabilities.max_row_tokens, self._context.vocabulary)
        row = _Row(self._next_number, request, generator_for(request.sampling), list(request.prompt_token_ids))
        self._next_number += 1
        self._waiting.append(row)
        return row.number

    def step(self) -> list[TokenEvent]:
        """Feed what fits one batch; rows whose last token was fed get their next one."""
        self._admit()
        parts = self._plan()
        if not parts:
            return []
        logits = self._compute(parts)
        at_s = time.monotonic()
        return [
            event
            for row, count in parts
            if (event := self._take(row, count, logits[row.number], at_s, len(parts))) is not None
        ]

    def abort(self, row: int) -> None:
        """Forget a row."""
        self._waiting = [waiting for waiting in self._waiting if waiting.number != row]
        for running in [running for running in self._running if running.number == row]:
            self._release(running)

    def has_work(self) -> bool:
        """Tell whether any row is left."""
        return bool(self._waiting or self._running)

    def close(self) -> None:
        """Free model and cache."""
        self._waiting, self._running = [], []
        self._context.close()

    def _admit(self) -> None:
        self._waiting.sort(key=lambda row: (not row.request.urgent, row.number))
        room = self._context.cache_tokens - sum(row.reserved for row in self._running)
        while self._waiting and self._free_slots and self._waiting[0].reserved <= room:
            row = self._waiting.pop(0)
            row.slot = self._free_slots.pop()
            room -= row.reserved
            self._running.append(row)

    def _plan(self) -> list[tuple[_Row, int]]:
        """Return rows and how many of their tokens to feed: running rows first, then prompts, urgent ones first."""
        budget = BATCH_TOKENS
        parts = []
        for row in sorted(self._running, key=lambda row: (row.made == 0, not row.request.urgent, row.number)):
            count = min(budget, len(row.tokens) - row.computed)
            if count <= 0:
                break
            parts.append((row, count))
            budget -= count
        return parts

    def _compute(self, parts: list[tuple[_Row, int]]) -> dict[int, "Floats | EngineError | None"]:
        """Return logits by row number: None inside a prompt, an error where a row fails alone too."""
        entries = [entry for row, count in parts for entry in _entries(row, count)]
        try:
            found = self._context.decode(entries)
        except EngineError as error:
            for row, _ in parts:
                self._context.forget(row.slot, row.computed)
            if len(parts) == 1:
                return {parts[0][0].number: error}
            alone: dict[int, Floats | EngineError | None] = {}
            for part in parts:
                alone |= self._compute([part])
            return alone
        wanted = iter(found)
        return {row.number: next(wanted) if row.computed + count == len(row.tokens) else None for row, count in parts}

    def _take(
        self, row: _Row, count: int, logits: "Floats | EngineError | None", at_s: float, rows: int
    ) -> TokenEvent | None:
        if isinstance(logits, EngineError):
            self._release(row)
            return TokenEvent(row.number, None, at_s, rows, FinishReason.ERROR, error=logits)
        row.computed += count
        if logits is None:
            return None
        token = choose(logits, row.request.sampling, row.generator)
        row.tokens.append(token)
        reason = finish_reason(row.request, token, row.made)
        if reason is not None:
            self._release(row)
        chance = logprob(logits, token) if row.request.logprobs else None
        return TokenEvent(row.number, token, at_s, rows, reason, chance)

    def _release(self, row: _Row) -> None:
        self._context.forget(row.slot, 0)
        self._free_slots.append(row.slot)
        self._running.remove(row)


def _entries(row: _Row, count: int) -> list[Entry]:
    last = len(row.tokens) - 1
    positions = range(row.computed, row.computed + count)
    return [Entry(row.tokens[position], position, row.slot, position == last) for position in positions]
