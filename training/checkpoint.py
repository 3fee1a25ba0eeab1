"""A Qwen2 model folder in Hugging Face layout, checked before anything is read from it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from common.errors import ModelFilesError
from common.model_files import CONFIG_NAME, TOKENIZER_NAME
from common.tokens import ChatTokenizer
from training.qwen2 import check_shapes
from training.tensors import TensorFile

OUTPUT = "lm_head.weight"
_WEIGHT_PATTERN = "*.safetensors"
_PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt")


class Checkpoint:
    """Config and weights of a folder; weights may be cut into several safetensors files."""

    def __init__(self, folder: Path, config: dict[str, Any], files: list[TensorFile]) -> None:
        self.folder = folder
        self.config = config
        self._file_of = {name: file for file in files for name in file.tensors}
        # Tied models use the embeddings as output matrix, whatever a file says.
        self._file_of.pop(OUTPUT, None)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a folder; raises ModelFilesError that names what is missing or unsupported."""
        config = read_json(folder / CONFIG_NAME, "a model folder in Hugging Face layout")
        _check_config(folder, config)
        if not (folder / TOKENIZER_NAME).is_file():
            raise ModelFilesError(
                f"{folder} has no {TOKENIZER_NAME}. Save it there with a fast tokenizer's save_pretrained()."
            )
        ChatTokenizer.from_file(folder / TOKENIZER_NAME)
        checkpoint = cls(folder, config, [TensorFile.open(path) for path in _weight_files(folder)])
        check_shapes(config, checkpoint.shapes)
        return checkpoint

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor by name."""
        return {name: file.tensors[name].shape for name, file in self._file_of.items()}

    def bf16_chunks(self, name: str) -> Iterator[npt.NDArray[np.uint16]]:
        """Yield a tensor's rows in order as bfloat16 bit patterns (uint16)."""
        return self._file_of[name].bf16_chunks(name)

    def config_for_bf16(self) -> dict[str, Any]:
        """Return config.json for the weights as bfloat16, with rope_theta at the top as well, where engines look."""
        config = {name: value for name, value in self.config.items() if name != "dtype"}
        rope = config.get("rope_parameters") or {}
        if "rope_theta" not in config and "rope_theta" in rope:
            config["rope_theta"] = rope["rope_theta"]
        return {**config, "torch_dtype": "bfloat16"}


def read_json(path: Path, wanted: str) -> dict[str, Any]:
    """Read a JSON object; raises ModelFilesError saying that path's folder is not what was wanted."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelFilesError(f"{path.parent} has no {path.name}; it is not {wanted}.") from None
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelFilesError(f"{path} holds no JSON object.")
    return content


def _check_config(folder: Path, config: dict[str, Any]) -> None:
    kind = config.get("model_type")
    if kind != "qwen2":
        raise ModelFilesError(f"{folder} holds a model of type {kind!r}; only qwen2 is supported.")
    if not config.get("tie_word_embeddings", False):
        raise ModelFilesError(f"{folder}: tie_word_embeddings is false; only tied Qwen2 models (0.5B) are supported.")
    if config.get("use_sliding_window"):
        raise ModelFilesError(f"{folder}: use_sliding_window is true; only full attention is supported.")
    if config.get("quantization_config"):
        raise ModelFilesError(f"{folder} holds quantised weights; use the model's bfloat16 variant.")
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ModelFilesError(f"{folder}: rope scaling {rope} is not supported; only default rotary positions are.")


def _weight_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob(_WEIGHT_PATTERN))
    if files:
        return files
    pickles = [path.name for pattern in _PICKLE_PATTERNS for path in folder.glob(pattern)]
    if pickles:
        raise ModelFilesError(
            f"{folder} holds pickled weights ({pickles[0]}), which can run code when loaded. "
            "Save them with save_pretrained(), which writes safetensors."
        )
    raise ModelFilesError(f"{folder} holds no {_WEIGHT_PATTERN} weights.")
