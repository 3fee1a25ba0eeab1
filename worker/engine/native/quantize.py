"""int8 quantisation of weight matrices and the tile layout that every instruction set reads."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PANEL_COLUMNS = 32
TILE_COLUMNS = 16
TILE_DEPTH = 64
LIMIT = 127


@dataclass(frozen=True, slots=True)
class QuantizedPanels:
    """A piece of a matrix in panels of 32 output columns.

    `tiles` is int8 [panels, depth / 64, 2, 16, 16, 4]: two tiles of 16 columns, each 16 groups of 4 depths.
    `scales` is float32 [columns]; `offsets` is int32 [columns], -128 times the column's sum, which turns products of
    activations shifted by 128 into products of signed ones.
    """

    tiles: NDArray[np.int8]
    scales: NDArray[np.float32]
    offsets: NDArray[np.int32]


def padded(count: int, unit: int) -> int:
    """Return the next multiple of `unit`."""
    return -(-count // unit) * unit


def quantize_rows(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return int8 values in [-127, 127] and float32 scales of [outputs, depth] weights, symmetric per output."""
    scales = (np.abs(weights).max(axis=1) / LIMIT).astype(np.float32)
    factors = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales > 0)
    values = np.clip(np.rint(weights * factors[:, None]), -LIMIT, LIMIT).astype(np.int8)
    return values, scales


def to_panels(weights: NDArray[np.float32]) -> QuantizedPanels:
    """Quantise [outputs, depth] weights and lay them out as panels; both sides are padded with zeros."""
    outputs, depth = weights.shape
    values, scales = quantize_rows(weights)
    wide, deep = padded(outputs, PANEL_COLUMNS), padded(depth, TILE_DEPTH)
    values = np.pad(values, ((0, wide - outputs), (0, deep - depth)))
    blocks = values.reshape(wide // PANEL_COLUMNS, 2, TILE_COLUMNS, deep // TILE_DEPTH, TILE_DEPTH // 4, 4)
    return QuantizedPanels(
        tiles=np.ascontiguousarray(blocks.transpose(0, 3, 1, 4, 2, 5)),
        scales=np.pad(scales, (0, wide - outputs)),
        offsets=(-128 * values.sum(axis=1, dtype=np.int32)).astype(np.int32),
    )


def interleave_gate_up(gate: NDArray[np.float32], up: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [2 * intermediate, hidden] rows so that each panel holds 16 gate and the matching 16 up columns."""
    intermediate, hidden = gate.shape
    pair = np.stack([gate.reshape(-1, TILE_COLUMNS, hidden), up.reshape(-1, TILE_COLUMNS, hidden)], axis=1)
    return pair.reshape(2 * intermediate, hidden)
