"""Checkpoints of a training run: adapter, optimiser, position and random state, written whole or not at all."""

import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.errors import ConfigurationError
from training.packed_model import PackedQwen2
from training.precision import Precision

CHECKPOINTS_FOLDER = "checkpoints"
STATE_NAME = "state.json"
TENSORS_NAME = "state.safetensors"
KEPT_CHECKPOINTS = 2
_RNG = "rng"
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What a run was started with; a checkpoint of another identity is never continued."""

    recipe_fingerprint: str
    data_sha256: str
    base_sha256: str
    start_sha256: str | None = None
    precision: Precision = Precision.BFLOAT16


@dataclass(frozen=True, slots=True)
class RunPosition:
    """Where a run stands: optimiser steps done in all, and the time spent over all its processes."""

    steps_done: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class _State:
    identity: RunIdentity
    position: RunPosition


class Checkpoints:
    """The `step-000123` folders of one run, newest last; only complete ones carry that name."""

    def __init__(self, folder: Path, identity: RunIdentity) -> None:
        self._folder = folder
        self._identity = identity

    def save(self, position: RunPosition, model: PackedQwen2, optimizer: torch.optim.Optimizer) -> None:
        """Write a checkpoint durably and drop all but the newest two."""
        target = self._folder / f"step-{position.steps_done:06d}"
        staging = self._folder / f".{target.name}"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        staging.mkdir(parents=True)
        save_file(_gather(model, optimizer), staging / TENSORS_NAME)
        state = json.dumps(asdict(_State(self._identity, position)), indent=2)
        (staging / STATE_NAME).write_text(state + "\n", encoding="utf-8")
        for path in (*staging.iterdir(), staging):
            _sync(path)
        staging.rename(target)
        _sync(self._folder)
        for old in _complete(self._folder)[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)

    def restore(self, model: PackedQwen2, optimizer: torch.optim.Optimizer) -> RunPosition:
        """Continue from the newest readable checkpoint; raises ConfigurationError if it belongs to another run."""
        for path in reversed(_complete(self._folder)):
            try:
                state = _read_state(path)
                tensors = load_file(path / TENSORS_NAME)
            except (OSError, ValidationError, SafetensorError):
                continue
            if state.identity != self._identity:
                raise ConfigurationError(
                    f"{path} belongs to a run with {_difference(state.identity, self._identity)}. "
                    "Give another output folder, or remove this one to start anew."
                )
            _scatter(tensors, model, optimizer)
            return state.position
        return RunPosition(steps_done=0, elapsed_s=0.0)


def checkpoint_precision(folder: Path) -> Precision | None:
    """Return the number format of the newest readable checkpoint, None where there is none."""
    for path in reversed(_complete(folder)):
        with suppress(OSError, ValidationError):
            return _read_state(path).identity.precision
    return None


def _complete(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _read_state(checkpoint: Path) -> _State:
    return TypeAdapter(_State).validate_json((checkpoint / STATE_NAME).read_bytes())


def _gather(model: PackedQwen2, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    tensors = {_RNG: torch.get_rng_state()}
    for name, parameter in _trained(model).items():
        tensors[f"parameter.{name}"] = parameter.detach().cpu().contiguous()
        for moment in _MOMENTS:
            tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment].detach().cpu().contiguous()
    return tensors


def _scatter(tensors: dict[str, Tensor], model: PackedQwen2, optimizer: torch.optim.Optimizer) -> None:
    torch.set_rng_state(tensors[_RNG])
    with torch.no_grad():
        for name, parameter in _trained(model).items():
            parameter.copy_(tensors[f"parameter.{name}"])
            for moment in _MOMENTS:
                optimizer.state[parameter][moment] = tensors[f"{moment}.{name}"].to(parameter.device)
    model.refresh_adapter()


def _trained(model: PackedQwen2) -> dict[str, torch.nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def _difference(theirs: RunIdentity, ours: RunIdentity) -> str:
    names = {
        "recipe_fingerprint": "recipe",
        "data_sha256": "training data",
        "base_sha256": "base model",
        "start_sha256": "adapter to start from",
        "precision": "number format",
    }
    old, new = asdict(theirs), asdict(ours)
    return "another " + " and another ".join(label for key, label in names.items() if old[key] != new[key])


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
