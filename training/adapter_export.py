"""Writes a trained adapter in PEFT's layout, with a record of everything it was made from."""

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from torch import Tensor

from training.adapter import ADAPTER_CONFIG_NAME, ADAPTER_WEIGHTS_NAME, TRAINING_NAME
from training.packed_model import PackedQwen2
from training.recipe import Recipe
from training.run_state import RunIdentity

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did, as far as it came; losses are means over answer tokens."""

    completed: bool
    steps: int
    planned_steps: int
    rows: int
    rows_too_long: int
    example_tokens: int
    computed_tokens: int
    final_loss: float
    elapsed_s: float


def export_adapter(
    folder: Path,
    model: PackedQwen2,
    recipe: Recipe,
    identity: RunIdentity,
    summary: RunSummary,
    git_revision: str | None,
) -> None:
    """Replace `folder` by adapter_model.safetensors, adapter_config.json and training.json.

    Matrices are stored in the base file's dtype, whatever they were computed in: what they are added to is no finer.
    `git_revision` is that of the code that ran. `scores` in training.json starts empty; the evaluation fills it.
    """
    staging = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    save_file(adapter_tensors(model), staging / ADAPTER_WEIGHTS_NAME, metadata={"format": "pt"})
    # safetensors makes files for the owner alone; an adapter is read by other users' processes.
    (staging / ADAPTER_WEIGHTS_NAME).chmod(0o644)
    _write_json(staging / ADAPTER_CONFIG_NAME, _peft_config(model, recipe))
    record = {
        "recipe": recipe.model_dump(mode="json"),
        **asdict(identity),
        "git_revision": git_revision,
        "torch": torch.__version__,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": asdict(summary),
        "scores": {},
    }
    _write_json(staging / TRAINING_NAME, record)
    shutil.rmtree(folder, ignore_errors=True)
    staging.rename(folder)


def adapter_tensors(model: PackedQwen2) -> dict[str, Tensor]:
    """Return the trained matrices under PEFT's names, A [rank, in] and B [out, rank] in the base file's dtype."""
    tensors = {}
    dtype = model.stored_dtype
    for name, linear, index in model.projections():
        prefix = f"base_model.model.{name}"
        tensors[f"{prefix}.lora_A.weight"] = linear.lora_a.detach()[linear.ranks(index)].to("cpu", dtype).contiguous()
        tensors[f"{prefix}.lora_B.weight"] = linear.lora_b.detach()[linear.rows()[index]].to("cpu", dtype).contiguous()
    return tensors


def current_revision() -> str | None:
    """Return the commit of this source tree, with `+changes` if it has any; None outside a repository."""
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() or None if result.returncode == 0 else None


def _peft_config(model: PackedQwen2, recipe: Recipe) -> dict[str, Any]:
    projections = sorted({name.rsplit(".", 1)[-1] for name, _, _ in model.projections()})
    first = recipe.adapter.first_layer
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.adapter.rank,
        lora_alpha=recipe.adapter.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=projections,
        layers_to_transform=list(range(first, len(model.layers))) if first else None,
        base_model_name_or_path=recipe.base_model,
        inference_mode=True,
    )
    settings: dict[str, Any] = config.to_dict()  # type: ignore[no-untyped-call]
    return {key: sorted(value) if isinstance(value, set) else value for key, value in settings.items()}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
