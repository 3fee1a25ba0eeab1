"""The peers of the native engine: the interpreter, script, form of the model and settings of each."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.peers.places import interpreter, models_dir, why_missing, why_path

_LOOKUP = "n-gram speculation"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another engine as it is run: `environment` and `model` are names below .bench-venvs, `job` goes to the script.

    `settings` tells a reader what was chosen for it. `only_extractive` says that it measures quoted prompts alone.
    """

    name: str
    module: str
    settings: str
    environment: str | None = None
    model: str | None = None
    model_key: str = ""
    job: Mapping[str, Any] = field(default_factory=dict)
    only_extractive: bool = False

    @property
    def python(self) -> Path:
        """The interpreter that has it."""
        return interpreter(self.environment) if self.environment else Path(sys.executable)

    def missing(self, model_dir: Path) -> str | None:
        """Return why it cannot run on this model, None where it can."""
        if self.environment and (not self.python.exists() or why_path(self.environment).is_file()):
            return why_missing(self.environment)
        if self.model and not (models_dir(model_dir) / self.model).exists():
            return why_missing(self.model)
        return None

    def full_job(self, job: Mapping[str, Any], model_dir: Path) -> dict[str, Any]:
        """Return the job for its script."""
        model = {self.model_key: str(models_dir(model_dir) / self.model)} if self.model else {}
        return {**job, **self.job, **model}


def _transformers(dtype: str) -> Peer:
    return Peer(
        f"transformers {dtype}", "engines_transformers", f"{dtype}, eager, static batch; {_LOOKUP} of 10 tokens",
        job={"dtype": dtype},
    )  # fmt: skip


def _llama(kind: str) -> Peer:
    settings = (
        f"{kind}, head Q8_0, -march=native without AMX, weights repacked where it can, flash attention auto, f16 cache"
    )
    return Peer(f"llama.cpp {kind}", "engines_llama", settings, "llamacpp", f"{kind.lower()}.gguf", "gguf")


def _openvino(bits: str, precision: str) -> Peer:
    settings = (
        f"{bits} weights, {precision} between, activations as it chooses, continuous batching; {_LOOKUP} of 8 tokens"
    )
    return Peer(
        f"OpenVINO {bits} {precision}", "engines_openvino", settings, "openvino", f"openvino-{bits}", "openvino",
        {"precision": precision},
    )  # fmt: skip


def _vllm(name: str, model: str, settings: str, *, lookup: bool = False) -> Peer:
    return Peer(
        name, "engines_vllm", f"{settings}, compiled, pinned threads, bf16 cache", "vllm", model, "vllm",
        {"lookup": lookup}, only_extractive=lookup,
    )  # fmt: skip


PEERS = (
    _transformers("bfloat16"),
    _transformers("float32"),
    _llama("Q8_0"),
    _llama("Q4_0"),
    _openvino("int8", "f32"),
    _openvino("int8", "bf16"),
    _openvino("int4", "f32"),
    _openvino("int4", "bf16"),
    _vllm("vLLM W8A8", "w8a8", "W8A8, lm_head left in bf16 (about 5 ms a step)"),
    _vllm("vLLM W8A8 head", "w8a8-head", "W8A8, lm_head W8A8 too"),
    _vllm("vLLM W8A8 n-gram", "w8a8-head", f"W8A8, lm_head W8A8 too, {_LOOKUP} of 8 tokens", lookup=True),
)
