"""Decides what each step computes: which rows run, how many tokens of each, and who gives way when blocks run out."""

from bisect import bisect_left, insort

from worker.engine.base import EngineRequest
from worker.engine.native.blocks import BLOCK_TOKENS, BlockPool, blocks_for
from worker.engine.native.rows import Row, Slice

# Waiting rows looked at in one step; rows held back for a prefix in the making do not hide those behind them.
_ADMISSION_SCAN = 64


class Scheduler:
    """Continuous batching over a block pool; pure bookkeeping, no tensors.

    `step_tokens` limits the tokens of one step and `max_rows` the rows that hold blocks. Rows that run out of blocks
    are put back to wait and computed again later, which changes their time but not their tokens.
    """

    def __init__(
        self, pool: BlockPool, max_rows: int, step_tokens: int, balance_tokens: int, prefix_cache: bool = True
    ) -> None:
        self.pool = pool
        self.max_rows = max_rows
        self.step_tokens = step_tokens
        self.balance_tokens = balance_tokens
        self.prefix_cache = prefix_cache
        self.preemptions = 0
        self._waiting: list[tuple[tuple[bool, int], Row]] = []
        self._running: dict[int, Row] = {}
        self._coming: dict[bytes, int] = {}  # hash of a block that a running row will compute, and that row
        self._next_number = 0

    def add(self, request: EngineRequest) -> int:
        """Queue a request and return its row number."""
        row = Row(self._next_number, request, list(request.prompt_token_ids))
        self._next_number += 1
        insort(self._waiting, (row.priority, row), key=_by_priority)
        return row.number

    def has_work(self) -> bool:
        """Tell whether any row waits or runs."""
        return bool(self._waiting or self._running)

    def forget(self, number: int) -> None:
        """Drop a row wherever it is; an unknown one is ignored."""
        row = self._running.get(number)
        if row is not None:
            self._stop(row)
            return
        for urgent_last in (False, True):
            index = bisect_left(self._waiting, (urgent_last, number), key=_by_priority)
            if index < len(self._waiting) and self._waiting[index][1].number == number:
                del self._waiting[index]
                return

    def plan(self) -> list[Slice]:
        """Admit what fits and return the slices of the next step, empty where nothing is left to do."""
        self._admit()
        budget = self.step_tokens
        planned: dict[int, Slice] = {}
        rows = sorted(self._running.values(), key=lambda row: (row.priority[0], not row.decoding, row.number))
        wanted_tokens = sum(len(row.tokens) - row.computed for row in rows)
        for row in rows:
            if budget == 0:
                break
            if row.number not in self._running:  # gave its blocks to a row before it
                continue
            load_tokens = max(min(wanted_tokens, self.step_tokens), self.step_tokens - budget)
            part = self._slice(row, budget, load_tokens, planned)
            if part is not None:
                planned[row.number] = part
                budget -= len(part.tokens)
        return list(planned.values())

    def advance(self, part: Slice, tokens: list[int]) -> None:
        """Take in a computed slice and the tokens it made: the right guesses and the one after them."""
        row = part.row
        row.computed += len(part.tokens) - part.drafted + max(0, len(tokens) - 1)
        row.tokens += tokens
        if part.drafted:
            row.lookup.learn(part.drafted, len(tokens) - 1)
        if self.prefix_cache:
            self._remember(row)

    def _remember(self, row: Row) -> None:
        full = row.computed // BLOCK_TOKENS
        for block, digest in zip(row.blocks, row.full_hashes(full), strict=False):
            self.pool.remember(block, digest)
            if self._coming.get(digest) == row.number:
                del self._coming[digest]

    def _slice(self, row: Row, budget: int, load_tokens: int, planned: dict[int, Slice]) -> Slice | None:
        left = len(row.tokens) - row.computed
        count = min(left, budget)
        if not self._reserve(row, row.computed + count, planned):
            return None
        if count < left:
            return Slice(row, row.tokens[row.computed : row.computed + count], 0, 0)
        draft = self._draft(row, budget - count, load_tokens) if row.decoding else []
        return Slice(row, row.tokens[row.computed :] + draft, len(draft), 1 + len(draft))

    def _draft(self, row: Row, budget: int, load_tokens: int) -> list[int]:
        if self.balance_tokens < 1:
            return []
        wanted = min(budget, row.request.max_tokens - row.generated - 1)
        draft = row.lookup.draft(row.tokens, wanted, load_tokens, self.balance_tokens)
        while blocks_for(len(row.tokens) + len(draft)) > len(row.blocks):
            # A guess may take a free block or a remembered one, never another row's.
            block = self.pool.take()
            if block is None:
                return draft[: len(row.blocks) * BLOCK_TOKENS - len(row.tokens)]
            row.blocks.append(block)
        return draft

    def _reserve(self, row: Row, tokens: int, planned: dict[int, Slice]) -> bool:
        """Give the row blocks for so many tokens, from rows of lower priority if need be."""
        while len(row.blocks) < blocks_for(tokens):
            block = self.pool.take()
            if block is not None:
                row.blocks.append(block)
                continue
            victim = max(self._running.values(), key=lambda other: other.priority)
            planned.pop(victim.number, None)
            self._preempt(victim)
            if victim is row:
                return False
        return True

    def _preempt(self, row: Row) -> None:
        self.preemptions += 1
        self._stop(row)
        row.computed = 0
        insort(self._waiting, (row.priority, row), key=_by_priority)

    def _stop(self, row: Row) -> None:
        del self._running[row.number]
        self.pool.release(row.blocks)
        row.blocks = []
        for digest in row.hashes:
            if self._coming.get(digest) == row.number:
                del self._coming[digest]

    def _admit(self) -> None:
        index = 0
        while index < min(len(self._waiting), _ADMISSION_SCAN):
            row = self._waiting[index][1]
            if len(self._running) >= self.max_rows and not self._make_room_for(row):
                return
            cached = self._cached_blocks(row)
            if self._worth_waiting(row, len(cached)):
                index += 1
                continue
            idle = sum(self.pool.is_idle(block) for block in cached)
            needed = blocks_for(len(row.tokens) + 1) - len(cached)
            if needed > self.pool.available - idle and self._running:
                return
            del self._waiting[index]
            self._start(row, cached, needed)

    def _make_room_for(self, row: Row) -> bool:
        """Put the newest bulk row back to wait where an urgent one asks for its place."""
        if not row.request.urgent:
            return False
        victim = max(self._running.values(), key=lambda other: other.priority)
        if victim.request.urgent:
            return False
        self._preempt(victim)
        return True

    def _start(self, row: Row, cached: list[int], needed: int) -> None:
        for block in cached:
            self.pool.hold(block)
        taken = [self.pool.take() for _ in range(needed)]
        row.blocks = cached + [block for block in taken if block is not None]
        row.computed = len(cached) * BLOCK_TOKENS
        if not row.generated:
            row.cached_prompt_tokens = row.computed
        self._running[row.number] = row
        if self.prefix_cache:
            for digest in row.full_hashes((len(row.tokens) - 1) // BLOCK_TOKENS)[len(cached) :]:
                self._coming.setdefault(digest, row.number)

    def _cached_blocks(self, row: Row) -> list[int]:
        """Blocks of the longest remembered prefix; at least one token is left to compute."""
        found: list[int] = []
        if not self.prefix_cache:
            return found
        for digest in row.full_hashes((len(row.tokens) - 1) // BLOCK_TOKENS):
            block = self.pool.find(digest)
            if block is None:
                break
            found.append(block)
        return found

    def _worth_waiting(self, row: Row, cached: int) -> bool:
        """Whether a running row is about to compute at least half of what this one lacks."""
        coming = 0
        for digest in row.hashes[cached:]:
            if digest not in self._coming:
                break
            coming += 1
        return coming > 0 and 2 * coming * BLOCK_TOKENS >= len(row.tokens) - cached * BLOCK_TOKENS


def _by_priority(entry: tuple[tuple[bool, int], Row]) -> tuple[bool, int]:
    return entry[0]
