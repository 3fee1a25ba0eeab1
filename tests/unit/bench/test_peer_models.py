"""The models made for peers hold the prepared weights within the rounding of their formats."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.quants import dequantize
from safetensors.numpy import load_file

from common.errors import ModelFilesError
from common.model_files import ModelManifest
from tests.bench.peers import models, places
from tests.bench.peers.models import PeerModel, make_model
from tests.bench.peers.steps import StepFailedError, Steps
from tests.bench.peers.w8a8 import write_w8a8
from tests.unit.native.tiny import CONFIG, write_tiny
from training.gguf_file import gguf_names, write_gguf

GATE = "model.layers.0.mlp.gate_proj.weight"


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A tiny model with the files that are copied beside the weights."""
    folder = tmp_path / "model"
    write_tiny(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (folder / name).write_text("{}", "utf-8")
    return folder


def test_w8a8_keeps_the_weights_within_half_a_step(prepared: Path, tmp_path: Path) -> None:
    """Given a model, when written as W8A8, then products are int8 with a scale a row and the rest is as it was."""
    weights = load_file(prepared / "model.safetensors")
    write_w8a8(prepared, tmp_path / "w8a8", with_head=False)
    written = load_file(tmp_path / "w8a8" / "model.safetensors")
    assert written[GATE].dtype == np.int8
    scales = written[f"{GATE}_scale"]
    assert scales.shape == (CONFIG["intermediate_size"], 1)
    assert np.all(np.abs(written[GATE] * scales - weights[GATE]) <= scales / 2 * 1.001)
    assert np.array_equal(written["model.norm.weight"], weights["model.norm.weight"])
    assert "lm_head.weight" not in written
    config = json.loads((tmp_path / "w8a8" / "config.json").read_text("utf-8"))
    assert config["tie_word_embeddings"] is True
    assert config["quantization_config"]["ignore"] == ["lm_head"]
    assert (tmp_path / "w8a8" / "tokenizer.json").is_file()


def test_a_quantised_head_is_an_untied_copy(prepared: Path, tmp_path: Path) -> None:
    """Given a tied model, when its head is quantised too, then the embeddings stay and the config unties them."""
    weights = load_file(prepared / "model.safetensors")
    write_w8a8(prepared, tmp_path / "head", with_head=True)
    written = load_file(tmp_path / "head" / "model.safetensors")
    embeddings, scales = weights["model.embed_tokens.weight"], written["lm_head.weight_scale"]
    assert np.array_equal(written["model.embed_tokens.weight"], embeddings)
    assert np.all(np.abs(written["lm_head.weight"] * scales - embeddings) <= scales / 2 * 1.001)
    config = json.loads((tmp_path / "head" / "config.json").read_text("utf-8"))
    assert config["tie_word_embeddings"] is False
    assert config["quantization_config"]["ignore"] == []


@pytest.mark.parametrize(("kind", "steps"), [("Q8_0", 127), ("Q4_0", 8)])
def test_gguf_keeps_the_weights_within_its_steps(kind: str, steps: int, prepared: Path, tmp_path: Path) -> None:
    """Given a model, when written as GGUF, then matrices are of that kind, the head is Q8_0, vectors are float32."""
    weights = load_file(prepared / "model.safetensors")
    write_gguf(prepared, tmp_path / "model.gguf", kind)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    gate = tensors["blk.0.ffn_gate.weight"]
    assert gate.tensor_type == gguf.GGMLQuantizationType[kind]
    difference = np.abs(dequantize(gate.data, gate.tensor_type) - weights[GATE])
    assert difference.max() <= np.abs(weights[GATE]).max() / steps
    assert tensors["token_embd.weight"].tensor_type == gguf.GGMLQuantizationType.Q8_0
    assert np.array_equal(tensors["blk.1.attn_q.bias"].data, weights["model.layers.1.self_attn.q_proj.bias"])
    assert len(tensors) == len(weights)


def test_gguf_carries_the_sizes_of_the_config(prepared: Path, tmp_path: Path) -> None:
    """Given a config, when written, then its sizes stand in the file and no vocabulary does."""
    write_gguf(prepared, tmp_path / "model.gguf", "Q8_0")
    reader = gguf.GGUFReader(tmp_path / "model.gguf")

    def value(key: str) -> Any:
        field = reader.get_field(key)
        assert field is not None
        return field.contents()

    assert value("qwen2.block_count") == CONFIG["num_hidden_layers"]
    assert value("qwen2.attention.head_count_kv") == CONFIG["num_key_value_heads"]
    assert value("qwen2.rope.freq_base") == CONFIG["rope_theta"]
    assert value("qwen2.vocab_size") == CONFIG["vocab_size"]
    assert value("tokenizer.ggml.model") == "no_vocab"


def test_a_tensor_without_a_gguf_name_is_refused_by_name() -> None:
    """Given a tensor of another architecture, when named, then the error tells which."""
    with pytest.raises(ModelFilesError, match="rotary_thing"):
        gguf_names(["model.layers.0.rotary_thing.weight"], 1)


def test_a_model_is_made_once_and_a_failure_is_kept(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model that fails and then works, when made, then the reason is kept until it works, and it runs once."""
    monkeypatch.setattr(places, "PEERS", tmp_path / "peers")
    monkeypatch.setattr(models, "models_dir", lambda folder: tmp_path / "peers" / "models" / "revision")
    calls = []

    def make(folder: Path, target: Path, steps: Steps) -> None:
        calls.append(target.name)
        if len(calls) == 1:
            raise StepFailedError("the exporter has no idea")
        target.mkdir()

    model = PeerModel("openvino-int8", "openvino", make)
    assert make_model(model, prepared) == "the exporter has no idea"
    assert places.why_missing("openvino-int8") == "the exporter has no idea"
    assert make_model(model, prepared) is None
    assert make_model(model, prepared) is None
    assert calls == ["openvino-int8", "openvino-int8"]


def test_models_lie_by_revision(tmp_path: Path) -> None:
    """Given a manifest, when the folder is asked for, then it is named after the revision."""
    manifest = ModelManifest(
        name="n", base="b", base_sha256="0", adapter=None, adapter_sha256=None, revision="0123456789ab",
        tokenizer_sha256="0", files={}, created_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    manifest.write(tmp_path)
    assert places.models_dir(tmp_path).name == "0123456789ab"
    with pytest.raises(ModelFilesError, match="no prepared model"):
        places.models_dir(tmp_path / "nothing")
