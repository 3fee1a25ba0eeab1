"""Streaming safetensors and bfloat16 rounding, held against torch and the safetensors library."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from common.errors import ModelFilesError
from common.model_files import sha256_file
from training import tensors
from training.tensors import TensorFile, bf16_from_float32, float32_from_bf16, write_bf16_file

NOTHING = lambda done_bytes: None  # noqa: E731


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_rounding_equals_torch_for_every_bit_pattern(patterns: list[int]) -> None:
    """Given any float32 bit patterns, when rounded, then the numbers are torch's; NaN stays NaN."""
    values = np.array(patterns, dtype=np.uint32).view(np.float32)
    expected = torch.from_numpy(values.copy()).to(torch.bfloat16).float().numpy()
    np.testing.assert_array_equal(float32_from_bf16(bf16_from_float32(values)), expected)


def test_ties_round_to_even() -> None:
    """Given halves between two bfloat16 numbers, when rounded, then the even neighbour is taken."""
    halves = np.array([0x3F808000, 0x3F818000], dtype=np.uint32).view(np.float32)
    assert bf16_from_float32(halves).tolist() == [0x3F80, 0x3F82]


def test_file_is_byte_for_byte_the_librarys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given tensors in several chunks, when streamed to a file, then it equals what safetensors writes at once."""
    monkeypatch.setattr(tensors, "CHUNK_ELEMENTS", 16)
    values = {
        name: torch.randn(shape).to(torch.bfloat16) for name, shape in {"b": (7, 5), "a.x": (3,), "é": (2, 2)}.items()
    }
    save_file(values, tmp_path / "expected.safetensors", metadata={"format": "pt"})
    source = TensorFile.open(tmp_path / "expected.safetensors")
    reported: list[int] = []

    digest = write_bf16_file(
        tmp_path / "streamed.safetensors",
        {name: info.shape for name, info in source.tensors.items()},
        source.bf16_chunks,
        reported.append,
    )

    assert (tmp_path / "streamed.safetensors").read_bytes() == (tmp_path / "expected.safetensors").read_bytes()
    assert digest == sha256_file(tmp_path / "expected.safetensors")
    assert sum(reported) == 2 * (35 + 3 + 4)
    assert len(reported) > 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_float_types_are_read_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    """Given each supported dtype, when read as float32, then no number changes; rows can be taken."""
    values = torch.randn(6, 3).to(dtype)
    save_file({"w": values}, tmp_path / "w.safetensors")
    file = TensorFile.open(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(file.float32("w"), values.float().numpy())
    np.testing.assert_array_equal(file.float32("w", slice(2, 4)), values[2:4].float().numpy())


def test_integer_tensors_are_refused_by_name(tmp_path: Path) -> None:
    """Given an int8 tensor, when opened, then the error names tensor and dtype."""
    save_file({"q": torch.zeros(2, dtype=torch.int8)}, tmp_path / "q.safetensors")
    with pytest.raises(ModelFilesError, match="tensor q has dtype I8"):
        TensorFile.open(tmp_path / "q.safetensors")


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0{}              "])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """Given bytes that are no safetensors file, when opened, then the error names the file."""
    (tmp_path / "x.safetensors").write_bytes(content + b"rest")
    with pytest.raises(ModelFilesError, match=r"x\.safetensors"):
        TensorFile.open(tmp_path / "x.safetensors")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    """Given a tensor with too few bytes, when written, then it is refused and no file, whole or partial, is left."""

    def short(name: str) -> Iterator[npt.NDArray[np.uint16]]:
        yield np.zeros(3, np.uint16)

    with pytest.raises(ModelFilesError, match="Tensor w has 6 bytes"):
        write_bf16_file(tmp_path / "w.safetensors", {"w": (2, 2)}, short, NOTHING)
    assert list(tmp_path.iterdir()) == []
