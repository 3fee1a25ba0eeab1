"""Averages two adapters of one line: `python -m training.average --older DIR --newer DIR --share 0.8 --out DIR`.

The mean of a run's end and the adapter it began from keeps most of what was learnt and loses some of its quirks
(weight averaging: Izmailov et al. 2018; Wortsman et al. 2022). The matrices are averaged one by one.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from safetensors.torch import load_file, save_file

from common.errors import ConfigurationError, FinanceLLMError
from training.adapter import ADAPTER_CONFIG_NAME, ADAPTER_WEIGHTS_NAME, TRAINING_NAME, Adapter, adapter_sha256


def average(older: Path, newer: Path, newer_share: float, out: Path) -> None:
    """Write the mean of two adapters into `out`, with the newer one's record and what it was averaged from.

    Raises ModelFilesError for a folder that is no adapter, ConfigurationError where the two do not fit each other or
    `out` is one of them.
    """
    if not 0 < newer_share < 1:
        raise ConfigurationError(f"The share of the newer adapter is {newer_share:g}; it must lie between 0 and 1.")
    if out.resolve() in (older.resolve(), newer.resolve()):
        raise ConfigurationError(f"{out} is one of the two adapters and would be lost. Name another folder with --out.")
    old, new = Adapter.open(older), Adapter.open(newer)
    _check_kinship(old, new)
    first, second = load_file(older / ADAPTER_WEIGHTS_NAME), load_file(newer / ADAPTER_WEIGHTS_NAME)
    mean = {
        name: ((1 - newer_share) * first[name].float() + newer_share * tensor.float()).to(tensor.dtype)
        for name, tensor in second.items()
    }
    record = new.training_record()
    record["averaged"] = {
        "older_sha256": adapter_sha256(older),
        "newer_sha256": adapter_sha256(newer),
        "newer_share": newer_share,
    }
    # Scores are those of the adapter they were measured with.
    record["scores"] = {}
    out.mkdir(parents=True, exist_ok=True)
    save_file(mean, out / ADAPTER_WEIGHTS_NAME, metadata={"format": "pt"})
    (out / ADAPTER_WEIGHTS_NAME).chmod(0o644)
    shutil.copy(newer / ADAPTER_CONFIG_NAME, out / ADAPTER_CONFIG_NAME)
    (out / TRAINING_NAME).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _check_kinship(old: Adapter, new: Adapter) -> None:
    if _shape(old) != _shape(new):
        raise ConfigurationError(
            f"{old.folder} and {new.folder} differ in modules, rank or scale; they cannot be averaged."
        )
    bases = {adapter.training_record().get("base_sha256") for adapter in (old, new)} - {None}
    if len(bases) > 1:
        raise ConfigurationError(
            f"{old.folder} and {new.folder} were trained on different base weights; they cannot be averaged."
        )


def _shape(adapter: Adapter) -> dict[str, tuple[object, ...]]:
    tensors = adapter.file.tensors
    return {
        module: (pair.scale, tensors[pair.a_name].shape, tensors[pair.b_name].shape)
        for module, pair in adapter.pairs.items()
    }


def main(
    older: Annotated[Path, typer.Option(help="Adapter that the newer one's run began from.")],
    newer: Annotated[Path, typer.Option(help="Adapter at the end of that run.")],
    out: Annotated[Path, typer.Option(help="Folder of the mean.")],
    share: Annotated[float, typer.Option(help="Weight of the newer one, between 0 and 1.")] = 0.5,
) -> None:
    """Average two adapters."""
    try:
        average(older, newer, share, out)
    except FinanceLLMError as error:
        Console(stderr=True).print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    typer.run(main)
