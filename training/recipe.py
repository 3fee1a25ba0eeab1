"""A training recipe: everything that decides the result of a run, read from one YAML file."""

import hashlib
import json
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import ConfigurationError

RECIPES = Path(__file__).parent / "recipes"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Schedule(StrEnum):
    """How the learning rate falls after warm-up."""

    LINEAR = "linear"
    COSINE = "cosine"


class AdapterSettings(_Section):
    """Shape of the low-rank adapter; it always covers all seven projections of a layer."""

    rank: int = Field(16, ge=1, le=256)
    alpha: int = Field(32, ge=1)
    start_from: str | None = Field(None, description="Adapter folder to continue from, relative to training/.")
    first_layer: int = Field(0, ge=0, description="Layers below this one stay frozen and take no backward pass.")


class OptimizerSettings(_Section):
    """AdamW (Loshchilov and Hutter, 2019) with warm-up and decay."""

    learning_rate: float = Field(3e-4, gt=0)
    schedule: Schedule = Schedule.LINEAR
    warmup_share: float = Field(0.03, ge=0, lt=1, description="Share of all steps with a rising learning rate.")
    final_share: float = Field(0.02, ge=0, le=1, description="Learning rate of the last step over the peak.")
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)


class PackingSettings(_Section):
    """How rows become forward passes; see `training/batches.py`."""

    max_row_tokens: int = Field(2048, ge=16, description="Longer rows are dropped and counted, never cut.")
    pack_tokens: int = Field(2048, ge=16, description="Computed tokens of one forward pass.")
    packs_per_step: int = Field(1, ge=1)
    max_rows_per_tree: int = Field(8, ge=1, description="Rows that may share one copy of their common prompt.")
    min_shared_share: float = Field(0.3, gt=0, le=1, description="Shared share of a prompt that makes rows kin.")


class Evaluation(_Section):
    """One scored data file, as `python -m training.evaluate` takes it."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    format: str
    data: str = Field(description="File below the data folder.")
    limit: int | None = Field(None, ge=1)
    scores: tuple[str, ...] = Field(description="Keys of the result that the adapter carries as NAME_KEY.")


class Recipe(_Section):
    """All settings of `python -m training.pipeline`; two equal recipes on equal data give equal adapters."""

    name: str
    base_model: str = "Qwen/Qwen2.5-Coder-0.5B-Instruct"
    seed: int = 0
    epochs: int = Field(1, ge=1)
    source_repeats: dict[str, int] = Field(
        default_factory=dict, description="Only these sources, each that many times an epoch; empty: all, once."
    )
    source_rows: dict[str, int] = Field(
        default_factory=dict, description="At most that many rows of a source, whole trees drawn at random."
    )
    max_rows: int | None = Field(None, ge=1, description="Train on a random subset of this size.")
    compile: bool = Field(True, description="Fuse elementwise work with torch.compile; needs a C++ compiler on CPUs.")
    checkpoint_minutes: float = Field(5.0, gt=0)
    adapter: AdapterSettings = AdapterSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    packing: PackingSettings = PackingSettings()
    curate_arguments: tuple[str, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def start_folder(self) -> Path | None:
        """Return the adapter folder the run begins from, if any."""
        return None if self.adapter.start_from is None else RECIPES.parent / self.adapter.start_from

    @property
    def fingerprint(self) -> str:
        """Return a SHA-256 over the settings that decide the weights."""
        decisive = self.model_dump(
            mode="json",
            exclude={"name", "compile", "checkpoint_minutes", "curate_arguments", "evaluations"},
        )
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe by its name in training/recipes or by path; raises ConfigurationError naming the faulty value."""
    named = RECIPES / f"{name_or_path}.yaml"
    path = named if named.is_file() else Path(name_or_path)
    if not path.is_file():
        known = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.yaml")))
        raise ConfigurationError(f"There is no recipe {name_or_path!r}. Give a YAML file or one of: {known}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return Recipe.model_validate({"name": path.stem, **values})
    except (ValidationError, yaml.YAMLError, TypeError) as error:
        raise ConfigurationError(f"The recipe {path.name} is not valid: {error}") from error
