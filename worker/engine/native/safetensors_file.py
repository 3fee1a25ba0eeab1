"""Reads tensors of one or several safetensors files as float32 without torch, one tensor at a time.

Format: https://github.com/huggingface/safetensors, "Format": 8 bytes little-endian header length, JSON, then the data.
numpy has no bfloat16, which the library's numpy reader refuses, so the bytes are widened here.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import ModelFilesError

Floats = NDArray[np.float32]
INDEX_NAME = "model.safetensors.index.json"
SINGLE_NAME = "model.safetensors"
_NUMPY_TYPES: dict[str, np.dtype[Any]] = {"BF16": np.dtype("<u2"), "F16": np.dtype("<f2"), "F32": np.dtype("<f4")}


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]


class SafetensorsFolder:
    """The weights of a model folder: model.safetensors, or shards named by model.safetensors.index.json."""

    def __init__(self, folder: Path) -> None:
        """Read the headers; raises ModelFilesError if a file is missing or malformed."""
        self.paths = _weight_files(folder)
        self._entries: dict[str, _Entry] = {}
        for path in self.paths:
            self._entries.update(_read_entries(path))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape; raises ModelFilesError if there is none of that name."""
        return self._entry(name).shape

    def rows(self, name: str, first: int, last: int) -> Floats:
        """Return rows [first, last) as float32; raises ModelFilesError if a value is not finite."""
        entry = self._entry(name)
        dtype = _NUMPY_TYPES[entry.dtype]
        width = int(np.prod(entry.shape[1:], dtype=np.int64))
        count = (last - first) * width
        offset = entry.offset + first * width * dtype.itemsize
        raw = np.memmap(entry.path, dtype=dtype, mode="r", offset=offset, shape=(count,))
        values: Floats = (
            (raw.astype(np.uint32) << 16).view(np.float32) if entry.dtype == "BF16" else raw.astype(np.float32)
        )
        if not np.isfinite(values).all():
            raise ModelFilesError(f"{entry.path}: tensor {name} holds NaN or infinity; the weights are corrupt.")
        return values.reshape(last - first, *entry.shape[1:])

    def tensor(self, name: str) -> Floats:
        """Return a whole tensor as float32."""
        return self.rows(name, 0, self.shape(name)[0])

    def _entry(self, name: str) -> _Entry:
        entry = self._entries.get(name)
        if entry is None:
            raise ModelFilesError(f"{self.paths[0].parent} has no tensor {name}; the weights do not fit config.json.")
        return entry


def _weight_files(folder: Path) -> list[Path]:
    index = folder / INDEX_NAME
    if index.is_file():
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        paths = [folder / name for name in sorted(set(names))]
    else:
        paths = [folder / SINGLE_NAME]
    for path in paths:
        if path.parent != folder or not path.is_file():
            raise ModelFilesError(f"{path} is missing. Run `financellm model prepare`.")
    return paths


def _read_entries(path: Path) -> dict[str, _Entry]:
    size = path.stat().st_size
    with path.open("rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        if not 2 <= length <= size - 8:
            raise ModelFilesError(f"{path} is not a safetensors file or was cut.")
        try:
            content = json.loads(file.read(length))
        except ValueError as error:
            raise ModelFilesError(f"{path} has a malformed safetensors header: {error}") from error
    entries = {}
    for name, item in content.items():
        if name == "__metadata__":
            continue
        start, end = item["data_offsets"]
        dtype, shape = item["dtype"], tuple(item["shape"])
        if dtype not in _NUMPY_TYPES:
            raise ModelFilesError(f"{path}: tensor {name} has dtype {dtype}; BF16, F16 and F32 can be packed.")
        expected = int(np.prod(shape, dtype=np.int64)) * _NUMPY_TYPES[dtype].itemsize
        if end - start != expected or 8 + length + end > size:
            raise ModelFilesError(f"{path}: tensor {name} does not fit its place in the file; the file was cut.")
        entries[name] = _Entry(path, 8 + length + start, dtype, shape)
    return entries
