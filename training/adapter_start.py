"""A run that begins from an earlier adapter instead of from nothing, so that training can go on over several runs."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from common.errors import ConfigurationError
from training.adapter import ADAPTER_WEIGHTS_NAME, Adapter
from training.packed_model import PackedQwen2


def load_adapter(model: PackedQwen2, folder: Path, scale: float, base_sha256: str) -> None:
    """Set the model's matrices to those of an adapter in PEFT's layout.

    Raises ModelFilesError for a folder that is none, ConfigurationError where its modules, rank, scale or base weights
    (where its training.json names them) are others.
    """
    adapter = Adapter.open(folder)
    _check_base(adapter, base_sha256)
    pairs = adapter.pairs
    tensors = load_file(folder / ADAPTER_WEIGHTS_NAME)
    projections = list(model.projections())
    if {name for name, _, _ in projections} != pairs.keys():
        raise ConfigurationError(f"The adapter {folder} covers other modules than the recipe; start from nothing.")
    with torch.no_grad():
        for name, linear, index in projections:
            pair = pairs[name]
            lora_a = tensors[pair.a_name]
            if len(lora_a) != linear.rank or pair.scale != scale:
                raise ConfigurationError(
                    f"The adapter {folder} has rank {len(lora_a)} and scale {pair.scale:g}; the recipe asks for rank "
                    f"{linear.rank} and scale {scale:g}."
                )
            linear.lora_a[linear.ranks(index)] = lora_a.float()
            linear.lora_b[linear.rows()[index]] = tensors[pair.b_name].float()
    model.refresh_adapter()


def _check_base(adapter: Adapter, base_sha256: str) -> None:
    trained_on = adapter.training_record().get("base_sha256")
    if trained_on not in (None, base_sha256):
        raise ConfigurationError(
            f"The adapter {adapter.folder} was trained on base weights with sha256 {trained_on}, but this run's base "
            f"has {base_sha256}. Give the base it was trained on, or another adapter to start from."
        )
