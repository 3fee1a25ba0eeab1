"""The scheduler against a simple model: any order of add, step and abort, and a made-up language instead of weights."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.base import EngineRequest
from worker.engine.native.blocks import BLOCK_TOKENS, BlockPool, block_hash
from worker.engine.native.rows import Slice
from worker.engine.native.scheduler import Scheduler
from worker.engine.native.speculation import PromptLookup

VOCABULARY = 7


def next_token(tokens: list[int]) -> int:
    """The made-up language: the next token is a function of all before it, and repeats itself often."""
    return (sum(tokens[-3:]) * 3 + len(tokens) // 9) % VOCABULARY


def continuation(request: EngineRequest) -> list[int]:
    """What a row must produce."""
    tokens = list(request.prompt_token_ids)
    for _ in range(request.max_tokens):
        tokens.append(next_token(tokens))
    return tokens[len(request.prompt_token_ids) :]


@dataclass
class Machine:
    """Runs a scheduler with the made-up language and a cache whose content it checks."""

    scheduler: Scheduler
    step_tokens: int
    max_rows: int
    requests: dict[int, EngineRequest] = field(default_factory=dict)
    made: dict[int, list[int]] = field(default_factory=dict)
    cache: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    steps: int = 0

    def add(self, request: EngineRequest) -> int:
        """Add a row."""
        row = self.scheduler.add(request)
        self.requests[row], self.made[row] = request, []
        return row

    def abort(self, row: int) -> None:
        """Abort a row, finished or not."""
        self.scheduler.forget(row)
        if len(self.made.get(row, [])) < self.requests[row].max_tokens:
            self.requests.pop(row)

    def step(self) -> list[Slice]:
        """Run one step and check everything a step promises."""
        parts = self.scheduler.plan()
        self.steps += 1
        assert sum(len(part.tokens) for part in parts) <= self.step_tokens
        assert len({part.row.number for part in parts}) == len(parts) <= self.max_rows
        assert parts or not self.scheduler.has_work()
        written: dict[tuple[int, int], int] = {}
        for part in parts:
            self._write(part, written)
        for part in parts:
            self._read(part)
            self._finish(part)
        return parts

    def _write(self, part: Slice, written: dict[tuple[int, int], int]) -> None:
        row = part.row
        history = (row.tokens[: row.computed] + part.tokens)[: row.computed + len(part.tokens)]
        for position in range(row.computed, len(history)):
            place = row.blocks[position // BLOCK_TOKENS], position % BLOCK_TOKENS
            assert place not in written, "two rows write the same place"
            written[place] = row.number
            self.cache[place] = tuple(history[: position + 1])

    def _read(self, part: Slice) -> None:
        row = part.row
        history = (row.tokens[: row.computed] + part.tokens)[: row.computed + len(part.tokens)]
        for position in range(len(history)):
            place = row.blocks[position // BLOCK_TOKENS], position % BLOCK_TOKENS
            assert self.cache[place] == tuple(history[: position + 1]), "a row reads what another wrote"

    def _finish(self, part: Slice) -> None:
        row = part.row
        sure = len(part.tokens) - part.drafted
        history = row.tokens[: row.computed] + part.tokens[:sure]
        tokens: list[int] = []
        for index in range(part.choices):
            if index:
                history.append(part.tokens[sure + index - 1])
            tokens.append(next_token(history))
            if index < part.drafted and part.tokens[sure + index] != tokens[-1]:
                break
        tokens = tokens[: row.request.max_tokens - row.generated]
        self.scheduler.advance(part, tokens)
        self.made[row.number] += tokens
        if len(self.made[row.number]) == row.request.max_tokens:
            self.scheduler.forget(row.number)

    def finish(self) -> None:
        """Run to the end; every row that was not aborted has exactly its continuation."""
        limit = self.steps + 4000
        while self.scheduler.has_work():
            self.step()
            assert self.steps < limit, "rows starve"
        for row, request in self.requests.items():
            assert self.made[row] == continuation(request)
        pool = self.scheduler.pool
        assert pool.available == pool.count, "blocks are lost"


def machine(blocks: int, max_rows: int, step_tokens: int, speculate: bool, prefix: bool) -> Machine:
    """Build one."""
    pool = BlockPool(blocks)
    return Machine(Scheduler(pool, max_rows, step_tokens, 18 if speculate else 0, prefix), step_tokens, max_rows)


REQUESTS = st.tuples(
    st.integers(0, 2),  # which family of prompts, so that prefixes are shared
    st.integers(1, 110),
    st.integers(1, 40),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(
    actions=st.lists(st.one_of(REQUESTS, st.sampled_from(["step", "step", "step", "abort"])), max_size=50),
    blocks=st.integers(5, 14),
    max_rows=st.integers(1, 6),
    step_tokens=st.integers(8, 120),
    speculate=st.booleans(),
    prefix=st.booleans(),
    seed=st.integers(0, 9),
)
def test_any_order_of_add_step_abort(
    actions: list[str | tuple[int, int, int, bool]],
    blocks: int,
    max_rows: int,
    step_tokens: int,
    speculate: bool,
    prefix: bool,
    seed: int,
) -> None:
    """Given a small pool, when rows come, run and go in any order, then none is lost, starved or mixed up."""
    chance = random.Random(seed)
    subject = machine(blocks, max_rows, step_tokens, speculate, prefix)
    for action in actions:
        if action == "step":
            subject.step()
        elif action == "abort":
            if subject.requests:
                subject.abort(chance.choice(sorted(subject.requests)))
        elif isinstance(action, tuple):
            family, length, max_tokens, urgent = action
            prompt = tuple((family * 3 + i * i) % VOCABULARY for i in range(length))
            subject.add(EngineRequest(prompt, max_tokens, urgent=urgent))
    subject.finish()


def test_a_shared_prefix_is_computed_once() -> None:
    """Given eight rows with one long context, when they arrive together, then its blocks are computed once."""
    subject = machine(60, 8, 64, speculate=False, prefix=True)
    context = tuple(i * i % VOCABULARY for i in range(128))
    rows = [subject.add(EngineRequest((*context, row % VOCABULARY, row // 2), 3)) for row in range(8)]
    computed, cached = 0, {}
    while subject.scheduler.has_work():
        for part in subject.step():
            computed += len(part.tokens)
            cached[part.row.number] = part.row.cached_prompt_tokens
    subject.finish()
    assert [cached[row] for row in rows] == [0] + [128] * 7
    assert computed == 130 + 7 * 2 + 8 * 2


def test_urgent_rows_enter_first_and_take_a_bulk_place() -> None:
    """Given bulk rows in every place, when an urgent row comes, then it is in the next step."""
    subject = machine(40, 2, 16, speculate=False, prefix=True)
    for family in range(3):
        subject.add(EngineRequest(tuple((family + i) % VOCABULARY for i in range(50)), 5))
    subject.step()
    urgent = subject.add(EngineRequest((1, 2, 3), 2, urgent=True))
    assert urgent in {part.row.number for part in subject.step()}
    assert subject.scheduler.preemptions == 1
    subject.finish()


def test_rows_give_way_when_blocks_run_out() -> None:
    """Given rows that outgrow the pool together, when they decode, then one waits and all end right."""
    subject = machine(6, 4, 64, speculate=False, prefix=False)
    for family in range(4):
        subject.add(EngineRequest(tuple((family + i) % VOCABULARY for i in range(30)), 100))
    subject.finish()
    assert subject.scheduler.preemptions > 0


def test_remembered_blocks_go_oldest_first_and_from_their_end() -> None:
    """Given two idle prefixes, when blocks are needed, then the older one loses its tail first."""
    pool = BlockPool(4)
    hashes = [block_hash(b"", [1] * 32), block_hash(b"x", [2] * 32), block_hash(b"", [3] * 32)]
    old = [pool.take(), pool.take()]
    new = pool.take()
    assert new is not None
    kept = [block for block in old if block is not None]
    for block, digest in zip([*kept, new], hashes, strict=True):
        pool.remember(block, digest)
    pool.release(kept)
    pool.release([new])
    assert pool.available == 4
    pool.take()
    pool.take()
    assert [pool.find(digest) is not None for digest in hashes] == [True, False, True]


def test_speculation_follows_acceptance_and_load() -> None:
    """Given repeated text, when guesses hold, then they grow; when they fail or the step is full, they shrink."""
    text = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 1, 2, 3]
    lookup = PromptLookup()
    assert lookup.draft(text, 100, 1, 18) == [4, 5, 6, 7, 8]
    assert len(lookup.draft(text, 100, 8, 18)) == 3
    assert lookup.draft(text, 100, 64, 18) == []
    for _ in range(10):
        lookup.learn(5, 5)
    assert len(lookup.draft(text, 100, 1, 18)) == 15
    assert lookup.draft(text, 2, 1, 18) == [4, 5]
    for _ in range(20):
        lookup.learn(5, 0)
    lengths = {len(lookup.draft(text, 100, 1, 18)) for _ in range(8)}
    assert lengths == {0, 1}
    assert lookup.draft([1, 2], 5, 1, 18) == []


def test_nothing_is_guessed_beside_a_prompt() -> None:
    """Given a row that repeats itself, when a prompt fills the step, then it guesses nothing, and something before."""
    scheduler = Scheduler(BlockPool(64), max_rows=4, step_tokens=64, balance_tokens=9, prefix_cache=False)
    scheduler.add(EngineRequest((1, 2, 3, 4, 5, 1, 2), 50))
    (prompt,) = scheduler.plan()
    scheduler.advance(prompt, [3])
    (alone,) = scheduler.plan()
    scheduler.advance(alone, [4])
    scheduler.add(EngineRequest(tuple(range(100, 300)), 5))
    beside, _ = scheduler.plan()
    assert (alone.drafted > 0, beside.drafted) == (True, 0)


@pytest.mark.parametrize("tokens", [1, 31, 32])
def test_hashes_depend_on_everything_before(tokens: int) -> None:
    """Given equal blocks after different beginnings, when hashed, then the hashes differ."""
    block = list(range(tokens))
    assert block_hash(b"", block) != block_hash(block_hash(b"", [9]), block)
