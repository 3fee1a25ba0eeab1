"""Writes a prepared model as a W8A8 checkpoint in the compressed-tensors format, which vLLM reads.

int8 weights per output channel, activations quantised per token while it runs. The head may be quantised too, which
takes an untied copy of it. The other tensors are written as float32, which vLLM rounds back to the bfloat16 they were.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors.numpy import save_file

from common.model_files import CONFIG_NAME, WEIGHTS_NAME
from training.tensors import TensorFile
from worker.engine.native.quantize import quantize_rows

_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
_COPIED = ("tokenizer.json", "tokenizer_config.json", "generation_config.json")


def quantization_config(with_head: bool) -> dict[str, Any]:
    """Return the `quantization_config` of config.json."""
    scheme = {"num_bits": 8, "type": "int", "symmetric": True}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": [] if with_head else ["lm_head"],
        "config_groups": {
            "group_0": {
                "targets": ["Linear", "re:.*lm_head"] if with_head else ["Linear"],
                "weights": scheme | {"strategy": "channel", "dynamic": False},
                "input_activations": scheme | {"strategy": "token", "dynamic": True},
            }
        },
    }


def is_product(name: str) -> bool:
    """Say whether a tensor is the matrix of a linear layer inside a decoder layer."""
    return name.endswith("_proj.weight")


def write_w8a8(model_dir: Path, target: Path, *, with_head: bool) -> None:
    """Write the checkpoint into a new folder `target`, which appears when it is whole."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    config = json.loads((model_dir / CONFIG_NAME).read_text("utf-8"))
    config["quantization_config"] = quantization_config(with_head)
    config["tie_word_embeddings"] = config["tie_word_embeddings"] and not with_head
    (partial / CONFIG_NAME).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    for name in _COPIED:
        shutil.copy(model_dir / name, partial / name)
    save_file(_tensors(TensorFile.open(model_dir / WEIGHTS_NAME), with_head), partial / WEIGHTS_NAME)
    partial.rename(target)


def _tensors(weights: TensorFile, with_head: bool) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for name in weights.tensors:
        if is_product(name) or (name == _HEAD and with_head):
            found |= _quantised(name, weights, name)
        else:
            found[name] = weights.float32(name)
    if with_head and _HEAD not in found:
        found |= _quantised(_HEAD, weights, _EMBEDDING)
    return found


def _quantised(name: str, weights: TensorFile, source: str) -> dict[str, NDArray[Any]]:
    values, scales = quantize_rows(weights.float32(source))
    return {name: values, f"{name}_scale": scales[:, None]}
