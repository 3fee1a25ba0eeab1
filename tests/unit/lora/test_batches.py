"""Token trees and step plans."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import ConfigurationError
from training.batches import StepPlan, build_tree, draw_rows
from training.examples import Example
from training.lora import chosen_rows
from training.recipe import PackingSettings, Recipe

MakeRows = Callable[[int, int, int], list[Example]]


def example(prompt: list[int], answer: list[int]) -> Example:
    """Return a row of the given ids."""
    return Example(np.asarray(prompt, np.int32), np.asarray(answer, np.int32))


ROWS = st.lists(
    st.builds(
        example,
        st.lists(st.integers(0, 2), min_size=1, max_size=8),
        st.lists(st.integers(0, 2), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_every_label_sees_exactly_its_row(rows: list[Example]) -> None:
    """Given any rows, when merged, then the ancestors of each label spell a row's tokens in order of position."""
    tree = build_tree(rows)

    seen = []
    for node, label in zip(tree.label_nodes, tree.label_ids, strict=True):
        ancestors = [other for other in range(node + 1) if node < tree.ends[other]]
        assert [int(tree.positions[other]) for other in ancestors] == list(range(len(ancestors)))
        seen.append(([int(tree.token_ids[other]) for other in ancestors], int(label)))
    expected = []
    for row in rows:
        ids = [*row.prompt_ids.tolist(), *row.answer_ids.tolist()]
        expected += [(ids[:end], ids[end]) for end in range(len(row.prompt_ids), len(ids))]
    assert sorted(seen) == sorted(expected)
    root = range(tree.root_tokens)
    assert all(tree.ends[node] == tree.tokens and tree.positions[node] == node for node in root)


def test_shared_prompts_are_computed_once(make_rows: MakeRows) -> None:
    """Given six questions on one context, when merged, then the context's tokens are there once."""
    rows = make_rows(1, 6, 50)
    tree = build_tree(rows)

    assert tree.root_tokens >= 50
    assert tree.tokens < 50 + sum(row.tokens - 50 for row in rows)
    assert tree.example_tokens == sum(row.tokens for row in rows)


def test_plan_covers_every_row_once_and_respects_limits(make_rows: MakeRows) -> None:
    """Given rows of several contexts, when planned, then each comes once an epoch, kin together, packs within size."""
    rows = make_rows(9, 5, 40)
    packing = PackingSettings(pack_tokens=150, max_rows_per_tree=4, packs_per_step=2)
    plan = StepPlan(rows, packing, seed=1)
    steps = plan.steps(0)

    assert sorted(row for step in steps for pack in step for tree in pack for row in tree) == list(range(45))
    trees = [tree for step in steps for pack in step for tree in pack]
    assert max(map(len, trees)) <= 4
    assert all(len({row // 5 for row in tree}) == 1 for tree in trees)
    assert all(sum(tree.tokens for tree in pack) <= 150 for step in steps for pack in plan.build(step))
    assert all(len(step) <= 2 for step in steps)


def test_order_depends_on_seed_and_epoch_only(make_rows: MakeRows) -> None:
    """Given the same seed, when planned again, then the plan is equal; another epoch has another order."""
    rows = make_rows(9, 5, 40)
    packing = PackingSettings(pack_tokens=150)

    assert StepPlan(rows, packing, 1).steps(0) == StepPlan(rows, packing, 1).steps(0)
    assert StepPlan(rows, packing, 1).steps(0) != StepPlan(rows, packing, 1).steps(1)
    assert StepPlan(rows, packing, 1).steps(0) != StepPlan(rows, packing, 2).steps(0)


def test_a_source_is_repeated_within_every_epoch(make_rows: MakeRows) -> None:
    """Given sources taken once, three times and not at all, when planned, then each epoch has their rows so often."""
    rows = [
        replace(row, source=("once", "often", "never")[min(at // 5, 2)]) for at, row in enumerate(make_rows(9, 5, 40))
    ]
    plan = StepPlan(rows, PackingSettings(pack_tokens=150), 1, {"once": 1, "often": 3})

    for epoch in range(2):
        planned = sorted(row for step in plan.steps(epoch) for pack in step for tree in pack for row in tree)
        assert planned == sorted([*range(5), *(3 * list(range(5, 10)))])


def test_repeats_are_spread_over_the_epoch(make_rows: MakeRows) -> None:
    """Given a source taken three times beside one taken once, when planned, then the epoch does not end in repeats."""
    rows = [replace(row, source=("once", "often")[at // 20]) for at, row in enumerate(make_rows(8, 5, 40))]
    steps = StepPlan(rows, PackingSettings(pack_tokens=150, max_rows_per_tree=2), 1, {"once": 1, "often": 3}).steps(0)

    last_half = [row for step in steps[len(steps) // 2 :] for pack in step for tree in pack for row in tree]
    assert any(row < 20 for row in last_half)


def test_a_recipe_draws_from_its_own_sources(make_rows: MakeRows) -> None:
    """Given a recipe that names sources, when rows are chosen, then they are of these; an absent one is refused."""
    rows = [replace(row, source=("once", "never")[at % 2]) for at, row in enumerate(make_rows(4, 5, 40))]
    recipe = Recipe(name="x", source_repeats={"once": 1}, max_rows=6)

    assert [row.source for row in chosen_rows(recipe, rows)] == ["once"] * 6
    assert chosen_rows(Recipe(name="x"), rows) == rows
    with pytest.raises(ConfigurationError, match="absent"):
        chosen_rows(Recipe(name="x", source_repeats={"absent": 1}), rows)


def test_a_recipe_takes_at_most_so_many_rows_of_a_source(make_rows: MakeRows) -> None:
    """Given a limit on one source, when rows are chosen, then it gives whole trees of that many and the other all."""
    rows = [replace(row, source=("much", "little")[at // 20]) for at, row in enumerate(make_rows(8, 5, 40))]
    recipe = Recipe(name="x", source_rows={"much": 10}, packing=PackingSettings(max_rows_per_tree=5))

    chosen = chosen_rows(recipe, rows)

    assert [row.source for row in chosen].count("little") == 20
    much = [row for row in chosen if row.source == "much"]
    assert len(much) == 10
    assert len({row.prompt_ids[:8].tobytes() for row in much}) == 2
    with pytest.raises(ConfigurationError, match="absent"):
        chosen_rows(Recipe(name="x", source_rows={"absent": 1}), rows)


def test_a_row_longer_than_a_pack_stands_alone() -> None:
    """Given a row above the pack size, when planned, then it gets a pack of its own and nothing is cut."""
    rows = [example([1] * 50, [2]), example([3] * 5, [2])]
    plan = StepPlan(rows, PackingSettings(pack_tokens=20), seed=0)

    assert sorted(plan.steps(0)) == [[[[0]]], [[[1]]]]


@pytest.mark.parametrize("count", [1, 2])
def test_equal_rows_weigh_double(count: int) -> None:
    """Given the same row twice, when merged, then its labels are there twice over one copy of its tokens."""
    tree = build_tree([example([1, 2], [3])] * count)

    assert tree.tokens == 2
    assert tree.label_ids.tolist() == [3] * count


def test_a_small_draw_keeps_kin_together(make_rows: MakeRows) -> None:
    """Given nine contexts of five rows, when twelve rows are drawn, then they come from three contexts."""
    rows = make_rows(9, 5, 40)
    packing = PackingSettings()
    drawn = draw_rows(rows, 12, packing, seed=1)

    assert len(drawn) == 12
    assert len({row.prompt_ids[:40].tobytes() for row in drawn}) == 3
    assert [id(row) for row in drawn] == [id(row) for row in draw_rows(rows, 12, packing, seed=1)]
    assert len(draw_rows(rows, 99, packing, seed=1)) == 45
