"""Rows to forward passes without padding: rows that share a prompt become one token tree, trees fill packs.

Several questions about one report page repeat the page's tokens. A tree holds the shared prompt once; each question
hangs below it and attends to its own ancestors only, with its own positions, so losses and gradients are those of the
separate rows.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from training.examples import Example, TokenIds
from training.recipe import PackingSettings


@dataclass(frozen=True, slots=True, eq=False)
class TokenTree:
    """Rows merged by common prefix, tokens in depth-first order; all arrays are int32.

    Token i attends to token j exactly when j <= i < ends[j]. `root_tokens` counts the leading tokens that every row
    shares. Node label_nodes[m] must predict label_ids[m].
    """

    token_ids: TokenIds
    positions: TokenIds
    ends: TokenIds
    label_nodes: TokenIds
    label_ids: TokenIds
    root_tokens: int
    example_tokens: int

    @property
    def tokens(self) -> int:
        """Return how many tokens are computed."""
        return len(self.token_ids)


Pack = tuple[TokenTree, ...]
Step = tuple[Pack, ...]


def build_tree(examples: Sequence[Example]) -> TokenTree:
    """Merge rows into one tree; the last answer token predicts nothing and is left out of the computation."""
    rows = [np.concatenate([example.prompt_ids, example.answer_ids]) for example in examples]
    order = sorted(range(len(rows)), key=lambda row: _sort_key(rows[row]))
    ends = np.zeros(sum(map(len, rows)), np.int32)
    previous = path = np.empty(0, np.int32)
    token_ids, positions, label_nodes, label_ids = [], [], [], []
    count = 0
    for row in order:
        inputs = rows[row][:-1]
        shared = common_prefix(previous, inputs)
        fresh = len(inputs) - shared
        ends[path[shared:]] = count
        path = np.concatenate([path[:shared], np.arange(count, count + fresh, dtype=np.int32)])
        token_ids.append(inputs[shared:])
        positions.append(np.arange(shared, len(inputs), dtype=np.int32))
        label_nodes.append(path[len(examples[row].prompt_ids) - 1 :])
        label_ids.append(examples[row].answer_ids)
        previous = inputs
        count += fresh
    ends[path] = count
    branching = np.flatnonzero(ends[:count] != count)
    return TokenTree(
        token_ids=np.concatenate(token_ids),
        positions=np.concatenate(positions),
        ends=ends[:count],
        label_nodes=np.concatenate(label_nodes),
        label_ids=np.concatenate(label_ids),
        root_tokens=int(branching[0]) if len(branching) else count,
        example_tokens=sum(example.tokens for example in examples),
    )


class StepPlan:
    """Decides which rows are trained together in each step of each epoch; the same seed gives the same plan."""

    def __init__(
        self,
        examples: Sequence[Example],
        packing: PackingSettings,
        seed: int,
        source_repeats: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._examples = examples
        self._packing = packing
        self._seed = seed
        self._source_repeats = source_repeats
        self._rounds = max(source_repeats.values(), default=1)
        self._families = families(examples, packing.min_shared_share)

    def steps(self, epoch: int) -> list[list[list[list[int]]]]:
        """Return row numbers as step → pack → tree → row."""
        generator = random.Random(f"{self._seed}/{epoch}")
        rounds = range(self._rounds)
        taking_part = [self._in_round(family, number) for number in rounds for family in self._families]
        trees = [tree for family in taking_part for tree in self._cut_family(family, generator)]
        generator.shuffle(trees)
        packs = list(self._fill_packs(trees))
        size = self._packing.packs_per_step
        return [packs[start : start + size] for start in range(0, len(packs), size)]

    def build(self, step: list[list[list[int]]]) -> Step:
        """Return the token trees of one planned step."""
        return tuple(tuple(build_tree([self._examples[row] for row in tree]) for tree in pack) for pack in step)

    def _in_round(self, family: list[int], number: int) -> list[int]:
        if not self._source_repeats:
            return family
        return [row for row in family if number < self._source_repeats.get(self._examples[row].source, 0)]

    def _cut_family(self, family: list[int], generator: random.Random) -> Iterator[list[int]]:
        rows = generator.sample(family, len(family))
        tree: list[int] = []
        for row in rows:
            candidate = [*tree, row]
            if tree and (len(candidate) > self._packing.max_rows_per_tree or self._cost(candidate) > self._limit):
                yield tree
                candidate = [row]
            tree = candidate
        if tree:
            yield tree

    def _fill_packs(self, trees: list[list[int]]) -> Iterator[list[list[int]]]:
        pack: list[list[int]] = []
        used = 0
        for tree in trees:
            cost = self._cost(tree)
            if pack and used + cost > self._limit:
                yield pack
                pack, used = [], 0
            pack.append(tree)
            used += cost
        if pack:
            yield pack

    @property
    def _limit(self) -> int:
        return self._packing.pack_tokens

    def _cost(self, rows: list[int]) -> int:
        """Return an upper bound of a tree's tokens: the prefix shared by all counts once."""
        prompts = [self._examples[row].prompt_ids for row in rows]
        shared = min((common_prefix(prompts[0], prompt) for prompt in prompts[1:]), default=0)
        return sum(self._examples[row].tokens for row in rows) - shared * (len(rows) - 1)


def common_prefix(left: TokenIds, right: TokenIds) -> int:
    """Return how many leading tokens two sequences share."""
    length = min(len(left), len(right))
    differing = np.flatnonzero(left[:length] != right[:length])
    return int(differing[0]) if len(differing) else length


def families(examples: Sequence[Example], min_shared_share: float) -> list[list[int]]:
    """Return row numbers grouped by prompts that share at least that part of their tokens with the next."""
    order = sorted(range(len(examples)), key=lambda row: _sort_key(examples[row].prompt_ids))
    found: list[list[int]] = []
    for row in order:
        prompt = examples[row].prompt_ids
        if found:
            elder = examples[found[-1][-1]].prompt_ids
            if common_prefix(elder, prompt) >= min_shared_share * max(len(elder), len(prompt)):
                found[-1].append(row)
                continue
        found.append([row])
    return found


def draw_rows(examples: Sequence[Example], rows: int, packing: PackingSettings, seed: int) -> list[Example]:
    """Return a random subset of whole trees, so that a small run shares prompts as a large one does."""
    generator = random.Random(seed)
    size = packing.max_rows_per_tree
    kin = families(examples, packing.min_shared_share)
    parts = [family[start : start + size] for family in kin for start in range(0, len(family), size)]
    generator.shuffle(parts)
    return [examples[row] for part in parts for row in part][:rows]


def _sort_key(token_ids: TokenIds) -> bytes:
    return token_ids.astype(">u4").tobytes()
