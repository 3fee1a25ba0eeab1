"""Every engine as the conformance suite gets it: how it is built on the tiny model, or why it cannot be here."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from tests.unit.native.tiny import CONFIG, Floats, reference_logits, tiny_weights, write_tiny
from training.export import export, exporter_missing
from worker.engine.base import Engine
from worker.engine.fake import STOP_TOKEN, FakeEngine
from worker.engine.requests import EngineLimits

# Heads as wide as every engine expects (hidden / heads), and rows that Q8_0 can hold.
CHANGES: dict[str, Any] = {"hidden_size": 128, "num_attention_heads": 4, "intermediate_size": 256, "eos_token_id": 258}
# Names the interpreter of an exporter that cannot live beside the engine.
EXPORT_PYTHON = "FINANCELLM_EXPORT_PYTHON"
MAX_ROWS = 4
ROW_TOKENS = 200
LIMITS = EngineLimits(MAX_ROWS, ROW_TOKENS, cache_bytes=64 << 20, threads=1)

Build = Callable[[Path], Engine]


@dataclass(frozen=True, slots=True)
class Subject:
    """One engine: `why_not` says what is missing here, `tolerance` how far its tokens may be from the best one.

    `tolerance` is in standard deviations of the reference's logits, None for an engine without a model.
    """

    name: str
    build: Build
    why_not: Callable[[], str | None]
    tolerance: float | None
    form: str | None = None
    stops: frozenset[int] = frozenset()


def write_model(folder: Path) -> None:
    """Write the tiny model with the files exporters expect beside the weights."""
    write_tiny(folder, **CHANGES)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), "utf-8")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 258, "pad_token_id": 256}), "utf-8")


def regrets(prompt: tuple[int, ...], tokens: list[int]) -> Floats:
    """Return how far each chosen token's reference logit is below the best one, in standard deviations."""
    logits = _logits(prompt, tokens)
    chosen = logits[np.arange(len(tokens)), tokens]
    result: Floats = (logits.max(1) - chosen) / logits.std(1)
    return result


def reference_logprobs(prompt: tuple[int, ...], tokens: list[int]) -> Floats:
    """Return the reference's log probability of each token."""
    logits = _logits(prompt, tokens)
    shifted = logits - logits.max(1, keepdims=True)
    result: Floats = shifted[np.arange(len(tokens)), tokens] - np.log(np.exp(shifted).sum(1))
    return result


def _logits(prompt: tuple[int, ...], tokens: list[int]) -> Floats:
    config = CONFIG | CHANGES
    fed = [*prompt, *tokens[:-1]]
    return reference_logits(tiny_weights(0, config), fed, config)[len(prompt) - 1 :]


def make_form(subject: Subject, folder: Path) -> str | None:
    """Make the engine's form of the model; return which exporter is absent, None where it is there.

    Raises ConfigurationError where an exporter is there and fails: that is a failed test, not a reason to skip.
    """
    if subject.form is None:
        return None
    python = os.environ.get(EXPORT_PYTHON, sys.executable)
    missing = exporter_missing(subject.form, python)
    if missing is not None:
        return missing
    export(subject.form, folder, python)
    return None


def _absent(*modules: str) -> Callable[[], str | None]:
    def why_not() -> str | None:
        missing = [module for module in modules if find_spec(module) is None]
        return f"{', '.join(missing)} is not installed" if missing else None

    return why_not


def _native_absent() -> str | None:
    from worker.engine.native.engine import unavailable_reason

    return unavailable_reason()


def _fake(folder: Path) -> Engine:
    return FakeEngine(MAX_ROWS, ROW_TOKENS, step_ms=0)


def _native(folder: Path) -> Engine:
    from worker.engine.native.engine import NativeEngine, NativeOptions
    from worker.engine.native.pack import pack

    pack(folder)
    return NativeEngine(folder, NativeOptions(max_rows=MAX_ROWS, max_row_tokens=ROW_TOKENS, threads=1))


def _transformers(folder: Path) -> Engine:
    from worker.engine.transformers_engine import TransformersEngine

    return TransformersEngine(folder, MAX_ROWS, ROW_TOKENS, "float32", 512)


def _llamacpp(folder: Path) -> Engine:
    from worker.engine.llamacpp import LlamaEngine

    return LlamaEngine(folder, LIMITS)


def _openvino(folder: Path) -> Engine:
    from worker.engine.openvino import OpenVinoEngine

    return OpenVinoEngine(folder, LIMITS)


def _onnxruntime(folder: Path) -> Engine:
    from worker.engine.onnxruntime import OnnxEngine

    return OnnxEngine(folder, MAX_ROWS, ROW_TOKENS)


def _vllm(folder: Path) -> Engine:
    from worker.engine.vllm import VllmEngine

    return VllmEngine(folder, LIMITS, "float32")


# Rounding weights to 8 bits moves logits of the tiny model by up to a tenth of their spread.
SUBJECTS = (
    Subject("fake", _fake, lambda: None, None, stops=frozenset({STOP_TOKEN})),
    Subject("native", _native, _native_absent, 0.5),
    Subject("transformers", _transformers, _absent("torch", "transformers"), 0.01),
    Subject("vllm", _vllm, _absent("vllm"), 0.01),
    Subject("openvino", _openvino, _absent("openvino", "openvino_genai"), 0.5, form="openvino"),
    Subject("onnxruntime", _onnxruntime, _absent("onnxruntime_genai"), 0.5, form="onnxruntime"),
    Subject("llamacpp", _llamacpp, _absent("llama_cpp"), 0.5, form="llamacpp"),
)
