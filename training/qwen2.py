"""The tensors a Qwen2 model with tied embeddings consists of, and the check that a model has exactly these."""

from collections.abc import Mapping
from typing import Any

from common.errors import ModelFilesError

EMBEDDING = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"
_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
)


def expected_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor that a config.json of Qwen2ForCausalLM asks for.

    Raises ModelFilesError if a size is missing or not a positive whole number.
    """
    for name in _SIZES:
        if type(config.get(name)) is not int or config[name] < 1:
            raise ModelFilesError(f"The model's config has {name}={config.get(name)!r}; it must be a whole number.")
    hidden, intermediate = config["hidden_size"], config["intermediate_size"]
    head = config.get("head_dim") or hidden // config["num_attention_heads"]
    queries, keys = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    layer = {
        "input_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.q_proj.bias": (queries,),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.k_proj.bias": (keys,),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.v_proj.bias": (keys,),
        "self_attn.o_proj.weight": (hidden, queries),
        "post_attention_layernorm.weight": (hidden,),
        "mlp.gate_proj.weight": (intermediate, hidden),
        "mlp.up_proj.weight": (intermediate, hidden),
        "mlp.down_proj.weight": (hidden, intermediate),
    }
    layers = range(config["num_hidden_layers"])
    blocks = {f"model.layers.{n}.{name}": shape for n in layers for name, shape in layer.items()}
    return {EMBEDDING: (config["vocab_size"], hidden), **blocks, FINAL_NORM: (hidden,)}


def check_shapes(config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise ModelFilesError naming the first tensor that is missing, of another shape, or not part of Qwen2."""
    expected = expected_shapes(config)
    for name, shape in expected.items():
        if name not in shapes:
            raise ModelFilesError(f"The model has no tensor {name}; its weights are incomplete.")
        if shapes[name] != shape:
            raise ModelFilesError(f"Tensor {name} has shape {shapes[name]}, but the model's config asks for {shape}.")
    for name in shapes.keys() - expected.keys():
        raise ModelFilesError(f"The model has a tensor {name}, which Qwen2 does not have.")
