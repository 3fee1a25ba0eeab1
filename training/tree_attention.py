"""Attention over token trees: every token attends to its ancestors, as if each row were computed alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from training.batches import TokenTree


@dataclass(frozen=True, slots=True)
class TreeSpan:
    """Where a tree lies in its pack: `start`, the end of its root, `end`, and the branches' additive mask.

    `branch_mask` is [branch tokens, branch tokens] with 0 or -inf, None for a tree that never branches.
    """

    start: int
    root_end: int
    end: int
    branch_mask: Tensor | None


def tree_spans(trees: Sequence[TokenTree], dtype: torch.dtype, device: torch.device) -> list[TreeSpan]:
    """Lay trees one after another and make their masks."""
    spans = []
    start = 0
    for tree in trees:
        mask = None if tree.root_tokens == tree.tokens else _branch_mask(tree, dtype, device)
        spans.append(TreeSpan(start, start + tree.root_tokens, start + tree.tokens, mask))
        start += tree.tokens
    return spans


def tree_attention(queries: Tensor, keys: Tensor, values: Tensor, spans: list[TreeSpan]) -> Tensor:
    """Return [heads, tokens, width] for queries [heads, tokens, width] and keys, values [kv heads, tokens, width].

    Query heads are grouped by their key head (grouped-query attention). On CPUs the shared root is computed as one
    causal block plus one unmasked rectangle and joined with the branches by their log-sum-exp, as in Flash-Decoding.
    """
    if queries.device.type == "cpu":
        outputs: Tensor = _CpuTreeAttention.apply(queries, keys, values, spans)  # type: ignore[no-untyped-call]
        return outputs
    return torch.cat([_masked_attention(queries, keys, values, span) for span in spans], dim=1)


def _branch_mask(tree: TokenTree, dtype: torch.dtype, device: torch.device) -> Tensor:
    ends = torch.from_numpy(tree.ends[tree.root_tokens :]).to(device)
    index = torch.arange(tree.root_tokens, tree.tokens, device=device)
    visible = (index[None, :] <= index[:, None]) & (index[:, None] < ends[None, :])
    return torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill_(~visible, float("-inf"))


def _masked_attention(queries: Tensor, keys: Tensor, values: Tensor, span: TreeSpan) -> Tensor:
    rows = slice(span.start, span.end)
    mask = None if span.branch_mask is None else _whole_mask(span, span.branch_mask)
    return torch.nn.functional.scaled_dot_product_attention(
        queries[None, :, rows],
        keys[None, :, rows],
        values[None, :, rows],
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=True,
    )[0]


def _whole_mask(span: TreeSpan, branch_mask: Tensor) -> Tensor:
    tokens, root = span.end - span.start, span.root_end - span.start
    mask = branch_mask.new_full((tokens, tokens), float("-inf")).triu_(1)
    mask[root:, root:] = branch_mask
    return mask


_Saved = tuple[Tensor, Tensor]  # output and log-sum-exp of one block


class _CpuTreeAttention(torch.autograd.Function):
    """Blocks of PyTorch's CPU flash kernel; a block's backward with the joined output gives its exact share."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, spans: list[TreeSpan]) -> Tensor:
        outputs = torch.empty_like(queries)
        log_sums = queries.new_empty(queries.shape[:2], dtype=torch.float32)
        for span in spans:
            root, branches = slice(span.start, span.root_end), slice(span.root_end, span.end)
            outputs[:, root], log_sums[:, root] = _causal(queries[:, root], keys[:, root], values[:, root])
            if span.branch_mask is None:
                continue
            asked = queries[:, branches]
            outputs[:, branches], log_sums[:, branches] = _join(
                _rectangle(asked, keys[:, root], values[:, root]),
                _masked(asked, keys[:, branches], values[:, branches], span.branch_mask),
            )
        ctx.save_for_backward(queries, keys, values, outputs, log_sums)
        ctx.spans = spans
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        queries, keys, values, outputs, log_sums = ctx.saved_tensors
        grads = [torch.empty_like(tensor) for tensor in (queries, keys, values)]
        for span in ctx.spans:
            root, branches = slice(span.start, span.root_end), slice(span.root_end, span.end)
            whole = (queries, keys, values, outputs, log_sums, grad_outputs)
            in_root = _backward(*(tensor[:, root] for tensor in whole), mask=None, causal=True)
            for grad, part in zip(grads, in_root, strict=True):
                grad[:, root] = part
            if span.branch_mask is None:
                continue
            own = _backward(*(tensor[:, branches] for tensor in whole), mask=span.branch_mask, causal=False)
            for grad, part in zip(grads, own, strict=True):
                grad[:, branches] = part
            across = _rectangle_backward(
                queries[:, branches],
                keys[:, root],
                values[:, root],
                outputs[:, branches],
                log_sums[:, branches],
                grad_outputs[:, branches],
            )
            for grad, part, rows in zip(grads, across, (branches, root, root), strict=True):
                grad[:, rows] += part
        return grads[0], grads[1], grads[2], None


def _causal(queries: Tensor, keys: Tensor, values: Tensor) -> _Saved:
    return _flash(queries, _repeat(keys, queries), _repeat(values, queries), None, causal=True)


def _masked(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> _Saved:
    return _flash(queries, _repeat(keys, queries), _repeat(values, queries), mask, causal=False)


def _rectangle(queries: Tensor, keys: Tensor, values: Tensor) -> _Saved:
    """Attend to every key; heads of one group are stacked as more queries, so keys are read once."""
    output, log_sum = _flash(_fold(queries, keys), keys, values, None, causal=False)
    return output.reshape(queries.shape), log_sum.reshape(queries.shape[:2])


def _flash(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, *, causal: bool) -> _Saved:
    output, log_sum = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        queries[None], keys[None], values[None], 0.0, causal, attn_mask=_four_dimensional(mask)
    )
    return output[0], log_sum[0]


def _backward(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    outputs: Tensor,
    log_sums: Tensor,
    grad_outputs: Tensor,
    *,
    mask: Tensor | None,
    causal: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    grad_queries, grad_keys, grad_values = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        grad_outputs[None],
        queries[None],
        _repeat(keys, queries)[None],
        _repeat(values, queries)[None],
        outputs[None],
        log_sums[None],
        0.0,
        causal,
        attn_mask=_four_dimensional(mask),
    )
    return grad_queries[0], _sum_groups(grad_keys[0], keys), _sum_groups(grad_values[0], values)


def _rectangle_backward(
    queries: Tensor, keys: Tensor, values: Tensor, outputs: Tensor, log_sums: Tensor, grad_outputs: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    grad_queries, grad_keys, grad_values = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
        _fold(grad_outputs, keys)[None],
        _fold(queries, keys)[None],
        keys[None],
        values[None],
        _fold(outputs, keys)[None],
        log_sums.reshape(len(keys), -1)[None],
        0.0,
        False,
    )
    return grad_queries[0].reshape(queries.shape), grad_keys[0], grad_values[0]


def _join(left: _Saved, right: _Saved) -> _Saved:
    """Combine two softmax blocks of the same queries over different keys."""
    log_sum = torch.logaddexp(left[1], right[1])
    output = sum(part.float() * (own - log_sum).exp()[..., None] for part, own in (left, right))
    assert isinstance(output, Tensor)  # noqa: S101 - narrows the type of sum
    return output.to(left[0].dtype), log_sum


def _fold(tensor: Tensor, keys: Tensor) -> Tensor:
    return tensor.reshape(len(keys), -1, tensor.shape[-1])


def _repeat(tensor: Tensor, queries: Tensor) -> Tensor:
    return tensor.repeat_interleave(len(queries) // len(tensor), dim=0)


def _sum_groups(grad: Tensor, keys: Tensor) -> Tensor:
    return grad.reshape(len(keys), -1, *grad.shape[1:]).float().sum(dim=1).to(grad.dtype)


def _four_dimensional(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else mask[None, None]
