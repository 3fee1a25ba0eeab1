"""Elementwise parts of a Qwen2 layer, each one fused kernel when compiled."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


def add_rms_norm(hidden: Tensor, delta: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Return hidden + delta [tokens, width] and that over its root mean square (Zhang and Sennrich, 2019).

    Statistics are fp32.
    """
    total = hidden + delta
    wide = total.float()
    normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)
    return total, normed.to(hidden.dtype) * weight


def rotate(qkv: Tensor, cosines: Tensor, sines: Tensor, heads: int, kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Split qkv [tokens, (heads + 2 kv_heads) · width] into head-major q, k, v and turn q and k (RoPE, Su et al. 2021).

    `cosines` and `sines` are fp32 [tokens, width / 2].
    """
    by_head = qkv.view(qkv.shape[0], heads + 2 * kv_heads, -1).transpose(0, 1)
    turned = by_head[: heads + kv_heads].float()
    low, high = turned.chunk(2, dim=-1)
    turned = torch.cat([low * cosines - high * sines, high * cosines + low * sines], dim=-1).to(qkv.dtype)
    return turned[:heads], turned[heads:], by_head[heads + kv_heads :].contiguous()


def swiglu(gate_up: Tensor) -> Tensor:
    """Return silu(gate) · up for gate_up [tokens, 2 · width] (Shazeer, 2020)."""
    gate, up = gate_up.chunk(2, dim=-1)
    return torch.nn.functional.silu(gate) * up


@dataclass(frozen=True, slots=True)
class Elementwise:
    """The functions above, compiled or as they are; both give the same gradients up to rounding."""

    add_rms_norm: Callable[[Tensor, Tensor, Tensor, float], tuple[Tensor, Tensor]] = add_rms_norm
    rotate: Callable[[Tensor, Tensor, Tensor, int, int], tuple[Tensor, Tensor, Tensor]] = rotate
    swiglu: Callable[[Tensor], Tensor] = swiglu


def compiled_elementwise() -> Elementwise:
    """Return the fused forms; the first call of each builds it, later processes find it in the compiler's cache."""
    return Elementwise(
        add_rms_norm=torch.compile(add_rms_norm, dynamic=True),
        rotate=torch.compile(rotate, dynamic=True),
        swiglu=torch.compile(swiglu, dynamic=True),
    )
