"""A Qwen2 model of a few thousand numbers, as a folder, as a GGUF file and as a LoRA adapter, made in milliseconds."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from gguf.quants import quantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from training.qwen2 import EMBEDDING, expected_shapes

CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "vocab_size": 272,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-06,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "bos_token_id": 259,
    "eos_token_id": 261,
}
GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
MERGES = (("i", "n"), ("Ġ", "in"), ("in", "come"))

Weights = dict[str, npt.NDArray[np.float32]]


def random_weights(seed: int = 0) -> Weights:
    """Return float32 weights of every tensor of CONFIG."""
    random = np.random.default_rng(seed)
    return {name: random.normal(0, 0.05, shape).astype(np.float32) for name, shape in expected_shapes(CONFIG).items()}


def vocabulary() -> list[str]:
    """Return the 256 byte letters in a fixed order, then what the merges make."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    return [*letters, "in", "Ġin", "come"]


def write_folder(folder: Path, *, weights: Weights | None = None, **config: Any) -> Path:
    """Write a model folder in Hugging Face layout with float32 weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    save_file(random_weights() if weights is None else weights, folder / "model.safetensors")
    tokenizer = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate(vocabulary())}, merges=[MERGES[0]]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_adapter(folder: Path, seed: int = 1, modules: tuple[str, ...] = (), **config: Any) -> Path:
    """Write a rank 4 adapter for the named modules in PEFT's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    shapes = expected_shapes(CONFIG)
    factors = {}
    for module in modules or ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"):
        out_size, in_size = shapes.get(f"{module}.weight", (64, 64))
        prefix = f"base_model.model.{module}"
        factors[f"{prefix}.lora_A.weight"] = random.normal(0, 0.2, (4, in_size)).astype(np.float32)
        factors[f"{prefix}.lora_B.weight"] = random.normal(0, 0.2, (out_size, 4)).astype(np.float32)
    save_file(factors, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    return folder


def write_gguf(
    path: Path,
    weights: Weights,
    *,
    architecture: str = "qwen2",
    tokenizer: str = "qwen2",
    output: npt.NDArray[np.float32] | None = None,
    extra_tensor: str | None = None,
) -> Path:
    """Write a GGUF file: matrices as Q8_0, the input embeddings coarser as Q5_0, vectors as F32."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(CONFIG["num_hidden_layers"])
    writer.add_context_length(CONFIG["max_position_embeddings"])
    writer.add_embedding_length(CONFIG["hidden_size"])
    writer.add_feed_forward_length(CONFIG["intermediate_size"])
    writer.add_head_count(CONFIG["num_attention_heads"])
    writer.add_head_count_kv(CONFIG["num_key_value_heads"])
    writer.add_rope_freq_base(CONFIG["rope_theta"])
    writer.add_layer_norm_rms_eps(CONFIG["rms_norm_eps"])
    _add_vocabulary(writer, tokenizer)
    embedding = weights[EMBEDDING]
    _add_matrix(writer, "output.weight", embedding if output is None else output, gguf.GGMLQuantizationType.Q8_0)
    _add_matrix(writer, "token_embd.weight", embedding, gguf.GGMLQuantizationType.Q5_0)
    for name, tensor in weights.items():
        if name == EMBEDDING:
            continue
        if tensor.ndim == 1:
            writer.add_tensor(gguf_name(name), tensor)
        else:
            _add_matrix(writer, gguf_name(name), tensor, gguf.GGMLQuantizationType.Q8_0)
    if extra_tensor:
        writer.add_tensor(extra_tensor, np.zeros(4, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def gguf_name(name: str) -> str:
    """Return llama.cpp's name of a Hugging Face tensor."""
    if name == "model.norm.weight":
        return "output_norm.weight"
    _, _, layer, rest = name.split(".", 3)
    module, _, kind = rest.rpartition(".")
    return f"blk.{layer}.{GGUF_NAMES[module]}.{kind}"


def _add_matrix(
    writer: gguf.GGUFWriter, name: str, values: npt.NDArray[np.float32], kind: gguf.GGMLQuantizationType
) -> None:
    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: str) -> None:
    tokens = [*vocabulary(), *CONTROL_TOKENS, "<tool_call>"]
    unused = [f"[PAD{n}]" for n in range(len(tokens), CONFIG["vocab_size"])]
    kinds = [1] * len(vocabulary()) + [3] * len(CONTROL_TOKENS) + [4] + [5] * len(unused)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(tokenizer)
    writer.add_token_list([*tokens, *unused])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in MERGES[:2]])
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_chat_template("{{ messages }}")
