"""Attention over trees equals attention with the whole mask written out, in value and gradient, on every path."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from training import tree_attention as module
from training.batches import TokenTree, build_tree
from training.examples import Example
from training.tree_attention import TreeSpan, tree_attention, tree_spans

MakeRows = Callable[[int, int, int], list[Example]]
HEADS, KV_HEADS, WIDTH = 6, 2, 16


def full_attention(queries: Tensor, keys: Tensor, values: Tensor, trees: list[TokenTree]) -> Tensor:
    """Write the softmax out over all tokens of the pack, each hidden from what is not its ancestor."""
    total = sum(tree.tokens for tree in trees)
    visible = torch.zeros(total, total, dtype=torch.bool)
    start = 0
    for tree in trees:
        for node in range(tree.tokens):
            for other in range(node + 1):
                visible[start + node, start + other] = node < int(tree.ends[other])
        start += tree.tokens
    keys, values = (part.repeat_interleave(HEADS // KV_HEADS, dim=0) for part in (keys, values))
    scores = (queries @ keys.transpose(1, 2) / WIDTH**0.5).masked_fill(~visible, float("-inf"))
    attended: Tensor = scores.softmax(-1) @ values
    return attended


def masked_path(queries: Tensor, keys: Tensor, values: Tensor, spans: list[TreeSpan]) -> Tensor:
    """Return what other devices than the CPU compute."""
    return torch.cat([module._masked_attention(queries, keys, values, span) for span in spans], dim=1)


@pytest.mark.parametrize("attention", [tree_attention, masked_path], ids=["cpu", "other devices"])
def test_equals_the_written_out_softmax(
    make_rows: MakeRows, attention: Callable[[Tensor, Tensor, Tensor, list[TreeSpan]], Tensor]
) -> None:
    """Given branching trees and a lone row in one pack, when attended, then outputs and all gradients agree."""
    rows = make_rows(3, 4, 30)
    trees = [build_tree(rows[:4]), build_tree(rows[4:5]), build_tree(rows[8:])]
    tokens = sum(tree.tokens for tree in trees)
    torch.manual_seed(0)
    inputs = [torch.randn(heads, tokens, WIDTH, requires_grad=True) for heads in (HEADS, KV_HEADS, KV_HEADS)]
    grad = torch.randn(HEADS, tokens, WIDTH)

    expected = full_attention(inputs[0], inputs[1], inputs[2], trees)
    expected_grads = torch.autograd.grad(expected, inputs, grad)
    spans = tree_spans(trees, torch.float32, torch.device("cpu"))
    actual = attention(inputs[0], inputs[1], inputs[2], spans)
    actual_grads = torch.autograd.grad(actual, inputs, grad)

    assert trees[0].root_tokens < trees[0].tokens
    assert trees[1].root_tokens == trees[1].tokens
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)
    for mine, theirs in zip(actual_grads, expected_grads, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
