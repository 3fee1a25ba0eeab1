"""The part of a Hugging Face config.json that the engine needs, checked before anything is packed or loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import ModelFilesError

SUPPORTED_ARCHITECTURE = "Qwen2ForCausalLM"
HEAD_DIM_UNIT = 32
WIDTH_UNIT = 32


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Dimensions of a Qwen2 decoder; counts and widths in elements, `max_positions` in tokens."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    max_positions: int
    norm_epsilon: float
    rope_theta: float
    tied: bool

    @classmethod
    def read(cls, path: Path) -> "ModelConfig":
        """Read config.json; raises ModelFilesError if it is missing, malformed or asks for what is not supported."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ModelFilesError(f"{path} is missing. Run `financellm model prepare`.") from error
        except json.JSONDecodeError as error:
            raise ModelFilesError(f"{path} is not valid JSON: {error}") from error
        return cls.parse(raw, str(path))

    @classmethod
    def parse(cls, raw: dict[str, Any], source: str) -> "ModelConfig":
        """Check the parsed content of config.json; raises ModelFilesError naming the key at fault."""
        _require_plain_qwen2(raw, source)
        try:
            hidden, heads = int(raw["hidden_size"]), int(raw["num_attention_heads"])
            rope = raw.get("rope_parameters") or {}
            config = cls(
                hidden=hidden,
                layers=int(raw["num_hidden_layers"]),
                heads=heads,
                kv_heads=int(raw.get("num_key_value_heads") or heads),
                head_dim=int(raw.get("head_dim") or hidden // heads),
                intermediate=int(raw["intermediate_size"]),
                vocabulary=int(raw["vocab_size"]),
                max_positions=int(raw["max_position_embeddings"]),
                norm_epsilon=float(raw.get("rms_norm_eps", 1e-6)),
                rope_theta=float(rope.get("rope_theta") or raw.get("rope_theta", 10000.0)),
                tied=bool(raw.get("tie_word_embeddings", False)),
            )
        except KeyError as error:
            raise ModelFilesError(f"{source} lacks the key {error}.") from error
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise ModelFilesError(f"{source} holds a value of a wrong kind: {error}") from error
        config.check_dimensions(source)
        return config

    def check_dimensions(self, source: str) -> None:
        """Raise ModelFilesError where a width does not fit the packed tiles."""
        units = {
            "head_dim": (self.head_dim, HEAD_DIM_UNIT),
            "hidden_size": (self.hidden, WIDTH_UNIT),
            "intermediate_size": (self.intermediate, WIDTH_UNIT),
            "num_attention_heads": (self.heads, self.kv_heads),
        }
        for name, (value, unit) in units.items():
            if unit < 1 or value < 1 or value % unit:
                raise ModelFilesError(f"{source}: {name} is {value}; the engine needs a multiple of {unit}.")
        if min(self.layers, self.vocabulary, self.max_positions) < 1:
            raise ModelFilesError(f"{source}: layers, vocab_size and max_position_embeddings must be positive.")

    def numbers(self) -> dict[str, float]:
        """Return what the compiled forward pass needs, as numbers by name."""
        return {
            "hidden": self.hidden,
            "layers": self.layers,
            "heads": self.heads,
            "kv_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "intermediate": self.intermediate,
            "vocabulary": self.vocabulary,
            "norm_epsilon": self.norm_epsilon,
            "rope_theta": self.rope_theta,
        }

    def kv_bytes_per_token(self) -> int:
        """Return the bytes that one token's bfloat16 keys and values take in all layers."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_dim


def _require_plain_qwen2(raw: dict[str, Any], source: str) -> None:
    architectures = raw.get("architectures") or []
    if architectures != [SUPPORTED_ARCHITECTURE]:
        named = ", ".join(map(str, architectures)) or str(raw.get("model_type", "none"))
        raise ModelFilesError(
            f"{source} describes {named}; the native engine runs {SUPPORTED_ARCHITECTURE} only. "
            "Choose such a model, or another engine."
        )
    if raw.get("use_sliding_window"):
        raise ModelFilesError(f"{source} sets use_sliding_window; sliding-window attention is not supported.")
    scaling = raw.get("rope_scaling") or raw.get("rope_parameters") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        raise ModelFilesError(f"{source} asks for {kind} RoPE scaling; only plain rotary positions are supported.")
    activation = raw.get("hidden_act", "silu")
    if activation != "silu":
        raise ModelFilesError(f"{source} names the activation {activation}; only silu is supported.")
