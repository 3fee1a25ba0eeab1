"""A GGUF file becomes the Hugging Face model it was made from."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf.quants import dequantize, quantize
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, Qwen2Tokenizer

from common.errors import ModelFilesError
from common.tokens import ChatTokenizer
from tests.unit.model import tiny
from tests.unit.model.progress import RecordedProgress
from training.base_model import convert_gguf
from training.qwen2 import EMBEDDING
from training.tensors import TensorFile, bf16_from_float32, float32_from_bf16

WEIGHTS = tiny.random_weights()


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A folder converted from a tiny GGUF file."""
    folder = tmp_path / "converted"
    folder.mkdir()
    convert_gguf(tiny.write_gguf(tmp_path / "tiny.gguf", WEIGHTS), folder, RecordedProgress())
    return folder


def test_every_tensor_is_the_dequantised_one_rounded_once(converted: Path) -> None:
    """Given Q8_0 matrices and F32 vectors, when converted, then each is there in the same row order, q and k too."""
    file = TensorFile.open(converted / "model.safetensors")
    assert file.tensors.keys() == WEIGHTS.keys()
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, values in WEIGHTS.items():
        stored = values if values.ndim == 1 else dequantize(quantize(values, kind), kind)
        np.testing.assert_array_equal(file.float32(name), float32_from_bf16(bf16_from_float32(stored)), err_msg=name)


def test_embeddings_come_from_the_finer_output_matrix(converted: Path) -> None:
    """Given the same matrix as Q8_0 output and Q5_0 embedding, when converted, then the Q8_0 one is kept, once."""
    file = TensorFile.open(converted / "model.safetensors")
    difference = np.abs(file.float32(EMBEDDING) - WEIGHTS[EMBEDDING]).max()
    assert "lm_head.weight" not in file.tensors
    assert difference < 0.002  # Q5_0 would be off by about 0.006


def test_transformers_loads_the_folder_as_a_tied_model(converted: Path) -> None:
    """Given a converted folder, when transformers loads it, then config, tie and vocabulary are those of the file."""
    model = AutoModelForCausalLM.from_pretrained(converted, dtype=torch.bfloat16)
    config = AutoConfig.from_pretrained(converted)
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert config.rms_norm_eps == 1e-06
    assert config.rope_parameters["rope_theta"] == 10000.0
    assert model.generation_config.eos_token_id == [261, 259]
    assert torch.isfinite(model(torch.tensor([[1, 2, 3]])).logits).all()


@pytest.mark.parametrize(
    "text",
    ["Net income in 2023: $1,234.5", "don't DON'T\r\n\n  x", "Zu\u0308rich ﬁ 日本 🎉", "a <|im_end|> <tool_call> b"],
)
def test_tokenizer_agrees_with_transformers_own(converted: Path, text: str) -> None:
    """Given the same vocabulary and merges, when transformers builds its Qwen2 tokenizer, then ids are equal."""
    ours = Tokenizer.from_file(str(converted / "tokenizer.json"))
    theirs: Any = Qwen2Tokenizer(
        vocab={token: n for n, token in enumerate(tiny.vocabulary())},
        merges=[*tiny.MERGES[:2]],  # type: ignore[list-item]
        unk_token="<|endoftext|>",
        additional_special_tokens=[*tiny.CONTROL_TOKENS[1:], "<tool_call>"],
    )
    ids = ours.encode(text).ids
    assert ids == theirs.encode(text)
    assert ours.decode(ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)


def test_tokenizer_serves_chats(converted: Path) -> None:
    """Given the converted tokenizer, when the product and transformers read it, then both know the control tokens."""
    assert ChatTokenizer.from_file(converted / "tokenizer.json").stop_token_ids == {259, 261}
    tokenizer = AutoTokenizer.from_pretrained(converted)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    assert json.loads((converted / "tokenizer_config.json").read_text())["chat_template"] == "{{ messages }}"


def _convert(path: Path, folder: Path) -> None:
    folder.mkdir()
    convert_gguf(path, folder, RecordedProgress())


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    """Given a llama file, when converted, then the error names the architecture."""
    with pytest.raises(ModelFilesError, match="llama model; only qwen2"):
        _convert(tiny.write_gguf(tmp_path / "x.gguf", WEIGHTS, architecture="llama"), tmp_path / "out")


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    """Given another pre-tokenizer, when converted, then the error names it."""
    with pytest.raises(ModelFilesError, match="gpt2/llama-bpe; only gpt2/qwen2"):
        _convert(tiny.write_gguf(tmp_path / "x.gguf", WEIGHTS, tokenizer="llama-bpe"), tmp_path / "out")


def test_an_untied_output_is_refused(tmp_path: Path) -> None:
    """Given an output matrix unlike the embeddings, when converted, then it is refused rather than dropped."""
    other = tiny.random_weights(seed=7)[EMBEDDING]
    with pytest.raises(ModelFilesError, match="output matrix of its own"):
        _convert(tiny.write_gguf(tmp_path / "x.gguf", WEIGHTS, output=other), tmp_path / "out")


def test_unknown_and_missing_tensors_are_refused_by_name(tmp_path: Path) -> None:
    """Given a tensor too many or too few, when converted, then the error names it."""
    with pytest.raises(ModelFilesError, match=r"blk\.0\.attn_gate\.weight"):
        _convert(tiny.write_gguf(tmp_path / "x.gguf", WEIGHTS, extra_tensor="blk.0.attn_gate.weight"), tmp_path / "a")
    fewer = {name: values for name, values in WEIGHTS.items() if name != "model.layers.1.self_attn.k_proj.bias"}
    with pytest.raises(ModelFilesError, match=r"no tensor model\.layers\.1\.self_attn\.k_proj\.bias"):
        _convert(tiny.write_gguf(tmp_path / "y.gguf", fewer), tmp_path / "b")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Given bytes that are no GGUF file, when converted, then the error says so."""
    (tmp_path / "x.gguf").write_bytes(b"not a model at all" * 10)
    with pytest.raises(ModelFilesError, match="not a readable GGUF file"):
        _convert(tmp_path / "x.gguf", tmp_path / "out")
