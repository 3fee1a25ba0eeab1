"""Safetensors files read and written one tensor at a time, so that memory stays flat, without torch."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from common.errors import ModelFilesError

Float32 = npt.NDArray[np.float32]
Advance = Callable[[int], None]

BF16_BYTES = 2
CHUNK_ELEMENTS = 1 << 22
_HEADER_ALIGNMENT = 8
_DTYPES: Mapping[str, npt.DTypeLike] = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def bf16_from_float32(values: Float32) -> npt.NDArray[np.uint16]:
    """Round to bfloat16, nearest even, as uint16 bit patterns of the same shape; a NaN stays a NaN."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = ((bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16).astype(np.uint16)
    nan = np.isnan(values)
    if nan.any():
        rounded[nan] = 0x7FC0
    return rounded


def float32_from_bf16(bits: npt.NDArray[np.uint16]) -> Float32:
    """Widen bfloat16 bit patterns (uint16) to float32 of the same shape, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Where a tensor lies in its file; `begin` and `end` are byte offsets from the start of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFile:
    """A safetensors file mapped into memory (https://huggingface.co/docs/safetensors, "Format")."""

    def __init__(self, path: Path, tensors: dict[str, TensorInfo]) -> None:
        self.path = path
        self.tensors = tensors
        self._bytes = np.memmap(path, dtype=np.uint8, mode="r")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file; raises ModelFilesError if it is no safetensors file or holds other than float tensors."""
        try:
            # The library checks sizes, overlaps and the header before any offset is trusted.
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelFilesError(f"{path} is not a readable safetensors file: {error}") from error
        return cls(path, _read_header(path))

    def float32(self, name: str, rows: slice = slice(None)) -> Float32:
        """Return a tensor, or some rows of it, as float32."""
        stored = self._stored(name)[rows]
        if self.tensors[name].dtype == "BF16":
            return float32_from_bf16(stored)
        return stored.astype(np.float32)

    def bf16_chunks(self, name: str) -> Iterator[npt.NDArray[np.uint16]]:
        """Yield a tensor's rows in order as bfloat16 bit patterns (uint16)."""
        stored = self._stored(name)
        for rows in row_chunks(stored.shape):
            if self.tensors[name].dtype == "BF16":
                yield stored[rows]
            else:
                yield bf16_from_float32(stored[rows].astype(np.float32))

    def _stored(self, name: str) -> npt.NDArray[Any]:
        info = self.tensors[name]
        return self._bytes[info.begin : info.end].view(_DTYPES[info.dtype]).reshape(info.shape)


def row_chunks(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices over the first axis that hold about CHUNK_ELEMENTS numbers each."""
    rows_per_chunk = max(1, CHUNK_ELEMENTS // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], rows_per_chunk):
        yield slice(start, start + rows_per_chunk)


def write_bf16_file(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    chunks_of: Callable[[str], Iterable[npt.NDArray[np.uint16]]],
    advance: Advance,
) -> str:
    """Write tensors as bfloat16 in the order and with the header that the safetensors library would write.

    chunks_of(name) yields the tensor's bit patterns in order; advance is called with the bytes written. Returns the
    sha256 of the file. The file appears under its name only when it is whole.
    """
    temporary = path.with_name(f".{path.name}.partial")
    names = sorted(shapes)
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as file:
            header = _bf16_header({name: shapes[name] for name in names})
            file.write(header)
            digest.update(header)
            for name in names:
                written = 0
                for chunk in chunks_of(name):
                    data = np.ascontiguousarray(chunk).view(np.uint8).reshape(-1).data
                    file.write(data)
                    digest.update(data)
                    advance(len(data))
                    written += len(data)
                if written != math.prod(shapes[name]) * BF16_BYTES:
                    raise ModelFilesError(f"Tensor {name} has {written} bytes, which does not fit its shape.")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest.hexdigest()


def bf16_bytes(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return how many bytes the tensors take as bfloat16, without a file header."""
    return sum(math.prod(shape) for shape in shapes.values()) * BF16_BYTES


def _read_header(path: Path) -> dict[str, TensorInfo]:
    with closing(path.open("rb")) as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if entry["dtype"] not in _DTYPES:
            raise ModelFilesError(
                f"{path}: tensor {name} has dtype {entry['dtype']}; only {', '.join(_DTYPES)} are supported."
            )
        begin, end = entry["data_offsets"]
        tensors[name] = TensorInfo(entry["dtype"], tuple(entry["shape"]), 8 + length + begin, 8 + length + end)
    return tensors


def _bf16_header(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        end = offset + math.prod(shape) * BF16_BYTES
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _HEADER_ALIGNMENT)
    return len(text).to_bytes(8, "little") + text
