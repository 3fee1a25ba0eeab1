"""Packs a merged model for the native engine: `python -m worker.engine.native.pack --model-dir DIR`.

Reads DIR/config.json and DIR/model.safetensors (or its shards), writes DIR/packed.int8 and is done at once when that
file already stems from the same sources. One matrix is held in memory at a time.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.errors import FinanceLLMError, ModelFilesError
from worker.engine.native.config import ModelConfig
from worker.engine.native.packed import (
    PACKED_NAME,
    PackedHeader,
    TensorEntry,
    aligned,
    read_header,
    write_header,
)
from worker.engine.native.quantize import PANEL_COLUMNS, interleave_gate_up, padded, to_panels
from worker.engine.native.safetensors_file import Floats, SafetensorsFolder

HEADER_RESERVE_BYTES = 64 << 10
HEADER_BYTES_PER_LAYER = 8 << 10
ROWS_AT_A_TIME = 16384
_QKV = ("q_proj", "k_proj", "v_proj")


@dataclass(slots=True)
class _Writer:
    """Appends page-aligned tensors to a file and keeps their entries."""

    file: BinaryIO
    at: int
    entries: dict[str, TensorEntry] = field(default_factory=dict)

    def write(self, name: str, dtype: str, shape: tuple[int, ...], parts: Iterator[NDArray[np.generic]]) -> None:
        """Write one tensor from consecutive parts."""
        self.at = aligned(self.at)
        self.file.seek(self.at)
        digest, size = hashlib.sha256(), 0
        for part in parts:
            data = np.ascontiguousarray(part).tobytes()
            digest.update(data)
            size += self.file.write(data)
        self.entries[name] = TensorEntry(self.at, size, dtype, shape, digest.hexdigest())
        self.at += size

    def array(self, name: str, values: NDArray[np.generic]) -> None:
        """Write one array that is already in its final form."""
        self.write(name, str(values.dtype), values.shape, iter([values]))

    def matrix(self, name: str, weights: Iterator[Floats]) -> None:
        """Quantise [outputs, depth] weights that come in pieces of whole panels."""
        scales, offsets = [], []
        shape: tuple[int, ...] = ()

        def tiles() -> Iterator[NDArray[np.int8]]:
            nonlocal shape
            for piece in weights:
                panels = to_panels(piece)
                scales.append(panels.scales)
                offsets.append(panels.offsets)
                shape = (shape[0] if shape else 0) + panels.tiles.shape[0], *panels.tiles.shape[1:]
                yield panels.tiles

        self.write(f"{name}.tiles", "int8", (), tiles())
        entry = self.entries[f"{name}.tiles"]
        self.entries[f"{name}.tiles"] = TensorEntry(entry.offset, entry.size, entry.dtype, shape, entry.sha256)
        self.array(f"{name}.scales", np.concatenate(scales))
        self.array(f"{name}.offsets", np.concatenate(offsets))


def pack(folder: Path) -> bool:
    """Pack the model of a folder; returns False if it was packed from the same files before.

    Raises ModelFilesError if the model is of an unsupported kind or its weights are missing, misshapen or not finite.
    """
    config = ModelConfig.read(folder / "config.json")
    source = SafetensorsFolder(folder)
    hashes = {path.name: _sha256(path) for path in [folder / "config.json", *source.paths]}
    target = folder / PACKED_NAME
    if _is_current(target, hashes):
        return False
    _check_shapes(config, source)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{PACKED_NAME}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            writer = _Writer(file, HEADER_RESERVE_BYTES + HEADER_BYTES_PER_LAYER * config.layers)
            _write_model(writer, config, source)
            write_header(file, PackedHeader(config, hashes, writer.entries))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return True


def _write_model(writer: _Writer, config: ModelConfig, source: SafetensorsFolder) -> None:
    for index in range(config.layers):
        print(f"layer {index + 1} of {config.layers}", flush=True)
        _write_layer(writer, source, index)
    print("output head", flush=True)
    writer.matrix("head", _row_pieces(source, "model.embed_tokens.weight" if config.tied else "lm_head.weight"))
    writer.array("final_norm", source.tensor("model.norm.weight"))
    if config.tied:  # the head's int8 rows serve as embeddings: the same divergence from fp32, 272 MB less
        return
    print("embeddings", flush=True)
    pieces = _row_pieces(source, "model.embed_tokens.weight")
    writer.write("embedding", "bfloat16", (config.vocabulary, config.hidden), map(_to_bfloat16, pieces))


def _write_layer(writer: _Writer, source: SafetensorsFolder, index: int) -> None:
    model, packed = f"model.layers.{index}.", f"layers.{index}."
    attention = [f"{model}self_attn.{name}" for name in _QKV]
    writer.matrix(f"{packed}qkv", iter([np.concatenate([source.tensor(f"{name}.weight") for name in attention])]))
    _write_bias(writer, source, f"{packed}qkv", attention)
    writer.matrix(f"{packed}output", iter([source.tensor(f"{model}self_attn.o_proj.weight")]))
    _write_bias(writer, source, f"{packed}output", [f"{model}self_attn.o_proj"])
    gate, up = (source.tensor(f"{model}mlp.{name}_proj.weight") for name in ("gate", "up"))
    writer.matrix(f"{packed}gate_up", iter([interleave_gate_up(gate, up)]))
    writer.matrix(f"{packed}down", iter([source.tensor(f"{model}mlp.down_proj.weight")]))
    _write_bias(writer, source, f"{packed}down", [f"{model}mlp.down_proj"])
    writer.array(f"{packed}attention_norm", source.tensor(f"{model}input_layernorm.weight"))
    writer.array(f"{packed}mlp_norm", source.tensor(f"{model}post_attention_layernorm.weight"))


def _write_bias(writer: _Writer, source: SafetensorsFolder, name: str, parts: list[str]) -> None:
    """Write the joined biases, zero for a part that has none, or nothing where no part has one."""
    if not any(f"{part}.bias" in source for part in parts):
        return
    values = [
        source.tensor(f"{part}.bias") if f"{part}.bias" in source else np.zeros(source.shape(f"{part}.weight")[0])
        for part in parts
    ]
    joined = np.concatenate(values).astype(np.float32)
    writer.array(f"{name}.bias", np.pad(joined, (0, padded(len(joined), PANEL_COLUMNS) - len(joined))))


def _row_pieces(source: SafetensorsFolder, name: str) -> Iterator[Floats]:
    rows = source.shape(name)[0]
    for first in range(0, rows, ROWS_AT_A_TIME):
        yield source.rows(name, first, min(rows, first + ROWS_AT_A_TIME))


def _to_bfloat16(values: Floats) -> NDArray[np.uint16]:
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _check_shapes(config: ModelConfig, source: SafetensorsFolder) -> None:
    width = config.heads * config.head_dim
    layer = {
        "self_attn.q_proj": (width, config.hidden),
        "self_attn.k_proj": (config.kv_heads * config.head_dim, config.hidden),
        "self_attn.v_proj": (config.kv_heads * config.head_dim, config.hidden),
        "self_attn.o_proj": (config.hidden, width),
        "mlp.gate_proj": (config.intermediate, config.hidden),
        "mlp.up_proj": (config.intermediate, config.hidden),
        "mlp.down_proj": (config.hidden, config.intermediate),
        "input_layernorm": (config.hidden,),
        "post_attention_layernorm": (config.hidden,),
    }
    expected = {"model.embed_tokens.weight": (config.vocabulary, config.hidden), "model.norm.weight": (config.hidden,)}
    if not config.tied:
        expected["lm_head.weight"] = (config.vocabulary, config.hidden)
    for index in range(config.layers):
        expected |= {f"model.layers.{index}.{name}.weight": shape for name, shape in layer.items()}
        for name in ("gate_proj", "up_proj"):
            if f"model.layers.{index}.mlp.{name}.bias" in source:
                raise ModelFilesError(f"Layer {index} has a bias on {name}, which no Qwen2 model has.")
        biases = {f"model.layers.{index}.{name}.bias": shape[:1] for name, shape in layer.items()}
        expected |= {name: shape for name, shape in biases.items() if name in source}
    for name, shape in expected.items():
        if source.shape(name) != shape:
            raise ModelFilesError(f"Tensor {name} has shape {source.shape(name)}; config.json asks for {shape}.")


def _is_current(target: Path, hashes: dict[str, str]) -> bool:
    try:
        return read_header(target).source_sha256 == hashes
    except ModelFilesError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Run the packer; exit code 1 with the reason on standard error where the model cannot be packed."""
    parser = argparse.ArgumentParser(description="Pack a merged Qwen2 model for the native engine.")
    parser.add_argument("--model-dir", type=Path, required=True, help="folder with config.json and model.safetensors")
    arguments = parser.parse_args()
    try:
        written = pack(arguments.model_dir)
    except FinanceLLMError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(f"{'wrote' if written else 'already current:'} {arguments.model_dir / PACKED_NAME}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
