"""A model folder for images: what the native engine reads and nothing else."""

import hashlib
from pathlib import Path

import pytest

from common.errors import ModelFilesError
from common.model_files import ModelManifest, revision_of
from training.native_only import drop_unpacked_weights


def prepared(folder: Path, *names: str) -> ModelManifest:
    """Write a model folder with these files."""
    files = {}
    for name in names:
        (folder / name).write_bytes(name.encode())
        files[name] = hashlib.sha256(name.encode()).hexdigest()
    (folder / ".prepared.json").write_text("{}")
    manifest = ModelManifest(
        name="m", base="b", base_sha256="", adapter=None, adapter_sha256=None, revision=revision_of(files),
        tokenizer_sha256="", files=files, created_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    manifest.write(folder)
    return manifest


def test_weights_go_and_the_revision_stays(tmp_path: Path) -> None:
    # Given packed weights beside the ones they were made from
    before = prepared(tmp_path, "model.safetensors", "packed.int8", "tokenizer.json")
    # When the folder is slimmed, then what is left is still proven by its manifest, under the same revision
    assert drop_unpacked_weights(tmp_path) == len("model.safetensors")
    after = ModelManifest.read(tmp_path)
    after.verify(tmp_path)
    assert after.revision == before.revision
    assert {path.name for path in tmp_path.iterdir()} == {"packed.int8", "tokenizer.json", "model.json"}
    # And a second time finds nothing to do
    assert drop_unpacked_weights(tmp_path) == 0


def test_the_only_weights_are_kept(tmp_path: Path) -> None:
    prepared(tmp_path, "model.safetensors", "tokenizer.json")
    with pytest.raises(ModelFilesError, match=r"packed\.int8"):
        drop_unpacked_weights(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
