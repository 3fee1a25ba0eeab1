"""Frozen linear layers with low-rank adapters (LoRA, Hu et al. 2021), projections of one input fused."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class LoraLinear(nn.Module):
    """y = x Wᵀ + bias + scale · (x Aᵀ) Bᵀ for one or several projections of the same input.

    `weight` [out, in] stacks the frozen weights of the projections whose widths are `splits`; each has its own A and B
    of `rank`. The trained `lora_a` [projections · rank, in] and `lora_b` [out, rank] are fp32; products run in the
    weight's dtype on copies that `refresh` makes after each optimiser step.
    """

    weight: Tensor
    bias: Tensor | None
    low_a: Tensor
    low_b: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None, splits: Sequence[int], rank: int, scale: float) -> None:
        super().__init__()
        self.splits = tuple(splits)
        self.rank = rank
        self.scale = scale
        out_features, in_features = weight.shape
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.register_buffer("low_a", weight.new_empty(rank * len(self.splits), in_features), persistent=False)
        self.register_buffer("low_b", weight.new_empty(out_features, rank * len(self.splits)), persistent=False)
        self.lora_a = nn.Parameter(torch.empty(rank * len(self.splits), in_features, device=weight.device))
        self.lora_b = nn.Parameter(torch.zeros(out_features, rank, device=weight.device))

    def reset(self, generator: torch.Generator) -> None:
        """Draw A as PEFT does (Kaiming uniform with a = √5) and set B to zero, so that training starts at the base."""
        bound = self.lora_a.shape[1] ** -0.5
        with torch.no_grad():
            drawn = torch.rand(self.lora_a.shape, generator=generator) * (2 * bound) - bound
            self.lora_a.copy_(drawn)
            self.lora_b.zero_()
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the trained matrices to the weight's dtype; B becomes block diagonal and takes the scale in."""
        self.low_a.copy_(self.lora_a)
        self.low_b.zero_()
        for index, rows in enumerate(self.rows()):
            self.low_b[rows, self.ranks(index)].copy_(self.lora_b[rows] * self.scale)

    def rows(self) -> list[slice]:
        """Return each projection's rows of `weight` and `lora_b`."""
        ends = [sum(self.splits[: index + 1]) for index in range(len(self.splits))]
        return [slice(end - width, end) for end, width in zip(ends, self.splits, strict=True)]

    def ranks(self, index: int) -> slice:
        """Return one projection's rows of `lora_a`."""
        return slice(index * self.rank, (index + 1) * self.rank)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return [tokens, out] for inputs [tokens, in]."""
        outputs: Tensor = _LoraProduct.apply(inputs, self.lora_a, self.lora_b, self)  # type: ignore[no-untyped-call]
        return outputs


class _LoraProduct(torch.autograd.Function):
    """Keeps the input and its rank-wide image only; the frozen weight gets no gradient and is never merged."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, _lora_a: Tensor, _lora_b: Tensor, layer: LoraLinear) -> Tensor:
        reduced = inputs @ layer.low_a.T
        outputs = torch.nn.functional.linear(inputs, layer.weight, layer.bias)
        outputs.addmm_(reduced, layer.low_b.T)
        ctx.save_for_backward(inputs, reduced)
        ctx.layer = layer
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_outputs: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        inputs, reduced = ctx.saved_tensors
        layer: LoraLinear = ctx.layer
        grad_outputs = grad_outputs.contiguous()
        grad_reduced = grad_outputs @ layer.low_b
        grad_a = (grad_reduced.T @ inputs).float()
        # One product for all projections; only each one's own block is kept.
        grad_b_blocks = reduced.T @ grad_outputs
        grad_b = torch.empty_like(layer.lora_b)
        for index, rows in enumerate(layer.rows()):
            grad_b[rows] = grad_b_blocks[layer.ranks(index), rows].T
        grad_b *= layer.scale
        if not ctx.needs_input_grad[0]:
            return None, grad_a, grad_b, None
        grad_inputs = grad_outputs @ layer.weight
        grad_inputs.addmm_(grad_reduced, layer.low_a)
        return grad_inputs, grad_a, grad_b, None
