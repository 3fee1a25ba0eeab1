"""Merging a LoRA adapter into base weights: W + scale * B A, tensor by tensor, without torch.

LoRA: Hu et al. 2021 (https://arxiv.org/abs/2106.09685); scale alpha/sqrt(r): Kalajdzievski 2023 (rsLoRA).
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.errors import ModelFilesError
from training.adapter import Adapter
from training.tensors import Advance, TensorFile, bf16_from_float32, row_chunks, write_bf16_file


def merge_adapter(base: TensorFile, adapter: Adapter, target: Path, advance: Advance) -> str:
    """Write the base's tensors with the adapter merged in as bfloat16 safetensors; return the file's sha256.

    Sums are float64, so that processors which add in another order still agree on every bit, and so on the revision;
    they are rounded to nearest even. advance is called with the bytes written. Raises
    ModelFilesError for a module that the base does not have or that has another shape.
    """
    shapes = {name: info.shape for name, info in base.tensors.items()}
    _check_modules(adapter, shapes)

    def chunks_of(name: str) -> Iterator[npt.NDArray[np.uint16]]:
        if name.removesuffix(".weight") in adapter.pairs and name.endswith(".weight"):
            return _merged_chunks(base, adapter, name)
        return base.bf16_chunks(name)

    return write_bf16_file(target, shapes, chunks_of, advance)


def pass_through(base: Path, target: Path) -> None:
    """Give the base's weights a second name; copy them only where the file system cannot link."""
    target.unlink(missing_ok=True)
    try:
        os.link(base, target)
    except OSError:
        shutil.copyfile(base, target)


def _merged_chunks(base: TensorFile, adapter: Adapter, name: str) -> Iterator[npt.NDArray[np.uint16]]:
    pair = adapter.pairs[name.removesuffix(".weight")]
    a, b = (adapter.file.float32(matrix).astype(np.float64) for matrix in (pair.a_name, pair.b_name))
    for rows in row_chunks(base.tensors[name].shape):
        delta = (b[rows] @ a) * pair.scale
        yield bf16_from_float32((base.float32(name, rows) + delta).astype(np.float32))


def _check_modules(adapter: Adapter, shapes: dict[str, tuple[int, ...]]) -> None:
    for module, pair in adapter.pairs.items():
        shape = shapes.get(f"{module}.weight")
        if shape is None:
            raise ModelFilesError(f"The adapter {adapter.folder} changes {module}, which the base model does not have.")
        a_shape, b_shape = adapter.file.tensors[pair.a_name].shape, adapter.file.tensors[pair.b_name].shape
        if (b_shape[0], a_shape[1]) != shape:
            raise ModelFilesError(
                f"The adapter {adapter.folder} was trained for another model: {module} is {shape} here, "
                f"but its factors make {(b_shape[0], a_shape[1])}."
            )
