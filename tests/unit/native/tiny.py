"""A tiny random Qwen2 model on disk, and its float32 forward pass in numpy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Floats = NDArray[np.float32]

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "intermediate_size": 160,
    "vocab_size": 300,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "use_sliding_window": False,
}


def tiny_weights(seed: int = 0, config: dict[str, Any] | None = None) -> dict[str, Floats]:
    """Return random float32 tensors under Hugging Face names."""
    c = CONFIG if config is None else config
    random = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 0.2) -> Floats:
        return random.normal(0, scale, shape).astype(np.float32)

    hidden, inner, head = c["hidden_size"], c["intermediate_size"], c["head_dim"]
    width, kv_width = c["num_attention_heads"] * head, c["num_key_value_heads"] * head
    weights = {
        "model.embed_tokens.weight": draw(c["vocab_size"], hidden, scale=1.0),
        "model.norm.weight": 1 + draw(hidden),
    }
    if not c["tie_word_embeddings"]:
        weights["lm_head.weight"] = draw(c["vocab_size"], hidden, scale=1.0)
    for index in range(c["num_hidden_layers"]):
        prefix = f"model.layers.{index}."
        weights |= {
            f"{prefix}self_attn.q_proj.weight": draw(width, hidden),
            f"{prefix}self_attn.k_proj.weight": draw(kv_width, hidden),
            f"{prefix}self_attn.v_proj.weight": draw(kv_width, hidden),
            f"{prefix}self_attn.q_proj.bias": draw(width),
            f"{prefix}self_attn.k_proj.bias": draw(kv_width),
            f"{prefix}self_attn.v_proj.bias": draw(kv_width),
            f"{prefix}self_attn.o_proj.weight": draw(hidden, width),
            f"{prefix}mlp.gate_proj.weight": draw(inner, hidden),
            f"{prefix}mlp.up_proj.weight": draw(inner, hidden),
            f"{prefix}mlp.down_proj.weight": draw(hidden, inner),
            f"{prefix}input_layernorm.weight": 1 + draw(hidden),
            f"{prefix}post_attention_layernorm.weight": 1 + draw(hidden),
        }
    return weights


def write_tiny(folder: Path, seed: int = 0, **changes: Any) -> dict[str, Floats]:
    """Write config.json and model.safetensors and return the tensors."""
    config = CONFIG | changes
    folder.mkdir(parents=True, exist_ok=True)
    weights = tiny_weights(seed, config)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights, folder / "model.safetensors")
    return weights


def rms_norm(x: Floats, weight: Floats, epsilon: float = 1e-6) -> Floats:
    """Return x / rms(x) * weight over the last axis."""
    result: Floats = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(epsilon)) * weight
    return result


def rope_tables(tokens: int, head_dim: int, theta: float) -> tuple[Floats, Floats]:
    """Return cosines and sines, float32 [tokens, head_dim / 2]."""
    angles = np.arange(tokens)[:, None] * theta ** (-np.arange(0, head_dim, 2) / head_dim)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rotate(x: Floats, cos: Floats, sin: Floats) -> Floats:
    """Return [tokens, heads, head_dim] with half-split rotary positions."""
    a, b = np.split(x, 2, axis=-1)
    c, s = cos[:, None], sin[:, None]
    return np.concatenate([a * c - b * s, b * c + a * s], axis=-1)


def attention(qkv: Floats, heads: int, kv_heads: int, head_dim: int, theta: float) -> Floats:
    """Return causal grouped-query attention of joined projections, float32 [tokens, heads * head_dim]."""
    tokens = len(qkv)
    parts = qkv.reshape(tokens, heads + 2 * kv_heads, head_dim)
    cos, sin = rope_tables(tokens, head_dim, theta)
    q = rotate(parts[:, :heads], cos, sin)
    k = rotate(parts[:, heads : heads + kv_heads], cos, sin).repeat(heads // kv_heads, axis=1)
    v = parts[:, heads + kv_heads :].repeat(heads // kv_heads, axis=1)
    scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(head_dim)
    scores = np.where(np.tril(np.ones((tokens, tokens), bool)), scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    result: Floats = np.einsum("hqk,khd->qhd", weights, v).reshape(tokens, -1).astype(np.float32)
    return result


def silu(x: Floats) -> Floats:
    """Return x * sigmoid(x)."""
    result: Floats = x / (1 + np.exp(-x))
    return result


def reference_logits(weights: dict[str, Floats], tokens: list[int], config: dict[str, Any] | None = None) -> Floats:
    """Return float32 [tokens, vocabulary] logits of the tiny model, of CONFIG unless another config is given."""
    c = CONFIG if config is None else config
    x = weights["model.embed_tokens.weight"][tokens]
    for index in range(c["num_hidden_layers"]):
        w = {name.removeprefix(f"model.layers.{index}."): value for name, value in weights.items()}
        h = rms_norm(x, w["input_layernorm.weight"])
        names = ("q_proj", "k_proj", "v_proj")
        qkv = np.concatenate([h @ w[f"self_attn.{n}.weight"].T + w[f"self_attn.{n}.bias"] for n in names], axis=1)
        attended = attention(
            qkv, c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"], c["rope_theta"]
        )  # fmt: skip
        x = x + attended @ w["self_attn.o_proj.weight"].T
        h = rms_norm(x, w["post_attention_layernorm.weight"])
        inner = silu(h @ w["mlp.gate_proj.weight"].T) * (h @ w["mlp.up_proj.weight"].T)
        x = (x + inner @ w["mlp.down_proj.weight"].T).astype(np.float32)
    head = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    return (rms_norm(x, weights["model.norm.weight"]) @ head.T).astype(np.float32)
