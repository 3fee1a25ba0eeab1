"""A LoRA adapter in the layout PEFT saves, checked before it is merged."""

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from common.errors import ModelFilesError
from common.model_files import sha256_file
from training.checkpoint import read_json
from training.tensors import TensorFile

ADAPTER_CONFIG_NAME = "adapter_config.json"
ADAPTER_WEIGHTS_NAME = "adapter_model.safetensors"
TRAINING_NAME = "training.json"

_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
# Options under which the merged weight is something else than W + scale * B A.
_UNSUPPORTED = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "fan_in_fan_out",
    "modules_to_save",
    "trainable_token_indices",
    "layer_replication",
    "lora_bias",
    "alora_invocation_tokens",
    "target_parameters",
    "megatron_config",
)
# Initialisations that train against a changed base, so that the delta does not fit the original weights.
_CHANGED_BASE_INITS = ("pissa", "olora", "corda", "loftq", "lora_ga")


@dataclass(frozen=True, slots=True)
class LoraPair:
    """The factors of one module; the delta is scale * B A, with A (rank, in) and B (out, rank)."""

    a_name: str
    b_name: str
    scale: float


class Adapter:
    """An adapter's factors by module name, such as `model.layers.0.self_attn.q_proj`."""

    def __init__(self, folder: Path, file: TensorFile, pairs: dict[str, LoraPair]) -> None:
        self.folder = folder
        self.file = file
        self.pairs = pairs

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read an adapter folder; raises ModelFilesError that names what is missing or unsupported."""
        config = read_json(folder / ADAPTER_CONFIG_NAME, "a LoRA adapter folder as PEFT saves it")
        _check_config(folder, config)
        weights = folder / ADAPTER_WEIGHTS_NAME
        if not weights.is_file():
            raise ModelFilesError(f"{folder} has no {ADAPTER_WEIGHTS_NAME}; pickled adapters are not read.")
        file = TensorFile.open(weights)
        return cls(folder, file, _pairs(folder, config, file))

    def check_base(self, base_sha256: str) -> None:
        """Raise ModelFilesError if training.json names the base weights it was trained on and they are others."""
        trained_on = self.training_record().get("base_sha256", base_sha256)
        if trained_on != base_sha256:
            raise ModelFilesError(
                f"The adapter {self.folder} was trained on base weights with sha256 {trained_on}, but the base has "
                f"{base_sha256}. Use the base it was trained on, or `--adapter none`."
            )

    def scores(self) -> dict[str, float]:
        """Return the measured scores that training.json holds under "scores"; empty where there are none."""
        path = self.folder / TRAINING_NAME
        scores = self.training_record().get("scores", {})
        if not isinstance(scores, dict):
            raise ModelFilesError(f'{path}: "scores" must map names to numbers.')
        for name, value in scores.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ModelFilesError(f"{path}: score {name} is {value!r}, not a finite number.")
        return {name: float(value) for name, value in scores.items()}

    def training_record(self) -> dict[str, Any]:
        """Return the content of training.json, nothing where there is none; raises ModelFilesError if it is no JSON."""
        path = self.folder / TRAINING_NAME
        return read_json(path, "a training record") if path.is_file() else {}


def adapter_sha256(folder: Path) -> str:
    """Return one hash for an adapter's config, weights and training record; raises ModelFilesError if it has none."""
    digest = hashlib.sha256()
    for name in (ADAPTER_CONFIG_NAME, ADAPTER_WEIGHTS_NAME, TRAINING_NAME):
        path = folder / name
        if path.is_file():
            digest.update(f"{name} {sha256_file(path)}\n".encode())
        elif name != TRAINING_NAME:
            raise ModelFilesError(f"{folder} has no {name}; it is not a LoRA adapter folder as PEFT saves it.")
    return digest.hexdigest()


def _check_config(folder: Path, config: dict[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise ModelFilesError(f"{folder} is an adapter of type {config.get('peft_type')!r}; only LORA is supported.")
    for option in _UNSUPPORTED:
        if config.get(option):
            raise ModelFilesError(f"{folder}: {option}={config[option]!r} is not supported by the merge.")
    if config.get("bias", "none") != "none":
        raise ModelFilesError(f"{folder}: bias={config['bias']!r} is not supported; train with bias='none'.")
    init = config.get("init_lora_weights", True)
    if isinstance(init, str) and init.lower().startswith(_CHANGED_BASE_INITS):
        raise ModelFilesError(f"{folder}: init_lora_weights={init!r} changes the base; convert it to plain LoRA first.")


def _pairs(folder: Path, config: dict[str, Any], file: TensorFile) -> dict[str, LoraPair]:
    sides: dict[str, dict[str, str]] = {}
    for name in file.tensors:
        match = _KEY.fullmatch(name)
        if match is None:
            raise ModelFilesError(f"{folder} holds a tensor {name}, which is no plain LoRA factor of a linear layer.")
        sides.setdefault(match["module"], {})[match["side"]] = name
    return {module: _pair(folder, config, file, module, names) for module, names in sides.items()}


def _pair(folder: Path, config: dict[str, Any], file: TensorFile, module: str, names: dict[str, str]) -> LoraPair:
    if names.keys() != {"A", "B"}:
        raise ModelFilesError(f"{folder} holds only one of the two LoRA factors of {module}.")
    a_shape, b_shape = file.tensors[names["A"]].shape, file.tensors[names["B"]].shape
    rank = int(_setting(config, "r", "rank_pattern", module))
    alpha = float(_setting(config, "lora_alpha", "alpha_pattern", module))
    if len(a_shape) != 2 or len(b_shape) != 2 or a_shape[0] != rank or b_shape[1] != rank:
        raise ModelFilesError(f"{folder}: {module} has factors {a_shape} and {b_shape}, but its rank is {rank}.")
    return LoraPair(names["A"], names["B"], alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank)


def _setting(config: dict[str, Any], name: str, pattern_name: str, module: str) -> float:
    """Return a module's value, by the pattern rules of PEFT's get_pattern_key."""
    for pattern, value in (config.get(pattern_name) or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return float(value)
    if name not in config:
        raise ModelFilesError(f"{ADAPTER_CONFIG_NAME} has no {name!r}.")
    return float(config[name])
