"""Writes a prepared model as GGUF for llama.cpp, quantised as its own converter does for a tied model.

Workers feed token ids, so the file carries no vocabulary. Matrices are Q8_0 or Q4_0, the embeddings, which are the
head too, always Q8_0, vectors float32.
"""

import json
from pathlib import Path
from typing import Any

import gguf
from gguf.quants import quantize

from common.errors import ModelFilesError
from common.model_files import CONFIG_NAME, WEIGHTS_NAME
from training.tensors import TensorFile

ARCHITECTURE = "qwen2"
_EMBEDDING = "token_embd.weight"
_SUFFIXES = (".weight", ".bias")


def gguf_names(tensors: list[str], layers: int) -> dict[str, str]:
    """Return the GGUF name of each tensor; raises ModelFilesError for one that has none."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, layers)
    found = {}
    for tensor in tensors:
        name = names.get_name(tensor, try_suffixes=_SUFFIXES)
        if name is None:
            raise ModelFilesError(f"GGUF has no name for tensor {tensor} of a {ARCHITECTURE} model.")
        found[tensor] = name
    return found


def write_gguf(model_dir: Path, target: Path, kind: str) -> None:
    """Write the model with its matrices as `kind`, "Q8_0" or "Q4_0"; the file appears when it is whole."""
    config: dict[str, Any] = json.loads((model_dir / CONFIG_NAME).read_text("utf-8"))
    weights = TensorFile.open(model_dir / WEIGHTS_NAME)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    writer = gguf.GGUFWriter(partial, ARCHITECTURE)
    _write_config(writer, config, kind)
    for tensor, name in gguf_names(list(weights.tensors), config["num_hidden_layers"]).items():
        values = weights.float32(tensor)
        if values.ndim == 1:
            writer.add_tensor(name, values)
            continue
        raw_type = gguf.GGMLQuantizationType["Q8_0" if name == _EMBEDDING else kind]
        writer.add_tensor(name, quantize(values, raw_type), raw_dtype=raw_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.rename(target)


def _write_config(writer: gguf.GGUFWriter, config: dict[str, Any], kind: str) -> None:
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind}"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("no_vocab")
