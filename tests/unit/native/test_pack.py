"""Packing: what is refused, what is written, what is found damaged."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from common.errors import ModelFilesError
from tests.unit.native.tiny import CONFIG, write_tiny
from worker.engine.native.config import ModelConfig
from worker.engine.native.pack import main, pack
from worker.engine.native.packed import PACKED_NAME, PAGE_BYTES, read_header, verify_tensors
from worker.engine.native.quantize import quantize_rows, to_panels


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, "LlamaForCausalLM"),
        ({"architectures": ["Qwen3ForCausalLM"]}, "Qwen3ForCausalLM"),
        ({"architectures": []}, "qwen2"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "yarn"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"head_dim": 48}, "head_dim"),
        ({"hidden_size": 100}, "hidden_size"),
        ({"num_key_value_heads": 4}, "num_attention_heads"),
        ({"vocab_size": "many"}, "wrong kind"),
    ],
)
def test_unsupported_models_are_refused_by_name(change: dict[str, Any], named: str) -> None:
    """Given a config of another kind, when read, then the error names what is not supported."""
    with pytest.raises(ModelFilesError, match=named):
        ModelConfig.parse(CONFIG | change, "config.json")


def test_a_missing_key_is_named() -> None:
    """Given a config without a width, when read, then the key is named."""
    with pytest.raises(ModelFilesError, match="intermediate_size"):
        ModelConfig.parse({key: CONFIG[key] for key in CONFIG if key != "intermediate_size"}, "config.json")


def test_tiles_hold_the_quantised_weights() -> None:
    """Given weights of odd sizes, when laid out, then every value lies at its documented place, zero elsewhere."""
    weights = np.random.default_rng(0).normal(0, 1, (70, 100)).astype(np.float32)
    values, scales = quantize_rows(weights)
    panels = to_panels(weights)
    assert panels.tiles.shape == (3, 2, 2, 16, 16, 4)
    for row, column in ((0, 0), (69, 99), (33, 64), (17, 63)):
        place = (row // 32, column // 64, row % 32 // 16, column % 64 // 4, row % 16, column % 4)
        assert panels.tiles[place] == values[row, column]
    assert np.abs(panels.tiles.astype(int)).sum() == np.abs(values.astype(int)).sum()
    assert (panels.offsets[:70] == -128 * values.sum(1, dtype=int)).all()
    assert np.abs(values * scales[:, None] - weights).max() <= scales.max() / 2 * 1.001


def test_packing_is_idempotent_and_page_aligned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a packed folder, when packed again, then nothing is written until the weights change."""
    write_tiny(tmp_path)
    assert pack(tmp_path)
    header = read_header(tmp_path / PACKED_NAME)
    verify_tensors(tmp_path / PACKED_NAME, header)
    assert all(entry.offset % PAGE_BYTES == 0 for entry in header.tensors.values())
    assert "embedding" not in header.tensors
    assert not pack(tmp_path)
    write_tiny(tmp_path, seed=1)
    assert pack(tmp_path)
    assert not list(tmp_path.glob(".packed*"))
    assert "layer 2 of 2" in capsys.readouterr().out


def test_untied_models_and_shards_are_packed(tmp_path: Path) -> None:
    """Given an untied model in two shards, when packed, then the head and the embeddings are both there."""
    weights = write_tiny(tmp_path, tie_word_embeddings=False)
    (tmp_path / "model.safetensors").unlink()
    names = sorted(weights)
    halves = {"a.safetensors": names[:10], "b.safetensors": names[10:]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in halves.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert pack(tmp_path)
    tensors = read_header(tmp_path / PACKED_NAME).tensors
    assert tensors["embedding"].shape == (300, 96)
    assert tensors["head.scales"].shape == (320,)


def test_damage_is_found(tmp_path: Path) -> None:
    """Given a packed file, when a byte of a tensor, of the header or the end is lost, then loading says so."""
    write_tiny(tmp_path)
    pack(tmp_path)
    path = tmp_path / PACKED_NAME
    good = path.read_bytes()
    header = read_header(path)
    at = header.tensors["layers.1.down.tiles"].offset + 5
    path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    with pytest.raises(ModelFilesError, match=r"layers\.1\.down\.tiles"):
        verify_tensors(path, read_header(path))
    path.write_bytes(good[:100] + b"?" + good[101:])
    with pytest.raises(ModelFilesError, match="header"):
        read_header(path)
    path.write_bytes(good[:-5000])
    with pytest.raises(ModelFilesError, match="cut"):
        read_header(path)
    path.write_bytes(b"PK")
    with pytest.raises(ModelFilesError, match="not a packed model"):
        read_header(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, value: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given NaN or infinity in a tensor, when packed, then the command fails, names it and leaves no file."""
    weights = write_tiny(tmp_path)
    weights["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(weights, tmp_path / "model.safetensors")
    monkeypatch.setattr(sys, "argv", ["pack", "--model-dir", str(tmp_path)])
    assert main() == 1
    assert "model.layers.1.mlp.up_proj.weight" in capsys.readouterr().err
    assert not (tmp_path / PACKED_NAME).exists()
    assert not list(tmp_path.glob(".packed*"))


def test_weights_that_do_not_fit_the_config_are_refused(tmp_path: Path) -> None:
    """Given another width in config.json or a missing tensor, when packed, then the tensor is named."""
    weights = write_tiny(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"intermediate_size": 192}), encoding="utf-8")
    with pytest.raises(ModelFilesError, match="gate_proj"):
        pack(tmp_path)
    del weights["model.norm.weight"]
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelFilesError, match=r"model\.norm\.weight"):
        pack(tmp_path)


@pytest.mark.parametrize(
    ("name", "shape"), [("q_proj", (180,)), ("k_proj", (160,)), ("v_proj", (1, 64)), ("o_proj", (70,))]
)
def test_biases_that_do_not_fit_the_config_are_refused(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    """Given a bias of another length, when packed, then it is named: joined with others it would shift them."""
    weights = write_tiny(tmp_path)
    weights[f"model.layers.1.self_attn.{name}.bias"] = np.zeros(shape, np.float32)
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelFilesError, match=rf"layers\.1\.self_attn\.{name}\.bias"):
        pack(tmp_path)
