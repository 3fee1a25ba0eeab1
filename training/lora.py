"""Trains a LoRA adapter: `python -m training.lora --recipe default --data train.jsonl --model BASE --out RUN`.

RUN receives losses.jsonl, loss.png, checkpoints/ and adapter/. The same command continues a run that was stopped or
killed. Exit code 0: the run is complete; 3: stopped early with a checkpoint; 2: something was given wrongly.
"""

import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import torch
import typer
from filelock import FileLock, Timeout
from rich.console import Console

from common.cpu_quota import usable_cpus
from common.errors import ConfigurationError, FinanceLLMError
from common.model_files import MANIFEST_NAME, TOKENIZER_NAME, WEIGHTS_NAME, ModelManifest, sha256_file
from common.tokens import ChatTokenizer
from training.adapter import adapter_sha256
from training.adapter_export import RunSummary
from training.batches import draw_rows
from training.elementwise import Elementwise, compiled_elementwise
from training.examples import Example, read_examples
from training.packed_model import load_packed_model
from training.precision import run_precision
from training.recipe import Recipe, load_recipe
from training.run_progress import RunProgress
from training.run_state import CHECKPOINTS_FOLDER, RunIdentity, checkpoint_precision
from training.trainer import RunLimits, Trainer

EXIT_STOPPED_EARLY = 3


class StopSignals:
    """Turns SIGTERM and Ctrl-C into a request that is honoured after the step in progress."""

    def __init__(self) -> None:
        self._asked = False

    def install(self) -> None:
        """Listen; a second signal ends the process at once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def is_asked(self) -> bool:
        """Tell whether a signal came."""
        return self._asked

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, signal.SIG_DFL)


def train(
    recipe: Recipe, data: Path, model_folder: Path, out: Path, limits: RunLimits, device: torch.device, console: Console
) -> RunSummary:
    """Run or continue a training run; raises ConfigurationError or ModelFilesError for unsuitable inputs."""
    torch.set_num_threads(usable_cpus())
    with run_lock(out, console):
        return _train_alone(recipe, data, model_folder, out, limits, device, console)


def _train_alone(
    recipe: Recipe, data: Path, model_folder: Path, out: Path, limits: RunLimits, device: torch.device, console: Console
) -> RunSummary:
    tokenizer = ChatTokenizer.from_file(model_folder / TOKENIZER_NAME)
    rows = read_examples(data, tokenizer, recipe.packing.max_row_tokens)
    start_sha256 = None if recipe.start_folder is None else adapter_sha256(recipe.start_folder)
    precision = run_precision(out, device, checkpoint_precision(out / CHECKPOINTS_FOLDER))
    identity = RunIdentity(recipe.fingerprint, rows.data_sha256, base_sha256(model_folder), start_sha256, precision)
    elementwise = choose_elementwise(recipe, device, console)
    model = load_packed_model(model_folder, recipe.adapter, elementwise, device, precision.dtype)
    trainer = Trainer(recipe, rows, chosen_rows(recipe, rows.examples), model, identity, out)
    with RunProgress(console, trainer.planned_steps, trainer.records) as progress:
        return trainer.run(limits, progress.report)


def chosen_rows(recipe: Recipe, rows: list[Example]) -> list[Example]:
    """Return the rows of the recipe's sources: at most `source_rows` of each, at most `max_rows` in all.

    Raises ConfigurationError for a source that the data has no row of.
    """
    missing = (recipe.source_repeats.keys() | recipe.source_rows.keys()) - {row.source for row in rows}
    if missing:
        raise ConfigurationError(f"The data has no row of {', '.join(sorted(missing))}, which the recipe names.")
    chosen = [row for row in rows if not recipe.source_repeats or row.source in recipe.source_repeats]
    for source, most_rows in recipe.source_rows.items():
        drawn = draw_rows([row for row in chosen if row.source == source], most_rows, recipe.packing, recipe.seed)
        chosen = [row for row in chosen if row.source != source] + drawn
    if recipe.max_rows is None:
        return chosen
    return draw_rows(chosen, recipe.max_rows, recipe.packing, recipe.seed)


@contextmanager
def run_lock(out: Path, console: Console) -> Iterator[None]:
    """Let one process at a time write to a run; a second one waits and then finds the work done."""
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        console.print("Another process is training here; waiting for it.", highlight=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def base_sha256(model_folder: Path) -> str:
    """Return the hash of the base weights; raises ConfigurationError if an adapter is merged into them."""
    if not (model_folder / MANIFEST_NAME).is_file():
        return sha256_file(model_folder / WEIGHTS_NAME)
    manifest = ModelManifest.read(model_folder)
    if manifest.adapter is not None:
        raise ConfigurationError(
            f"{model_folder} holds the adapter {manifest.adapter} already. Train on the plain base: "
            "`python -m training.prepare --adapter none --model-dir FOLDER`."
        )
    return manifest.base_sha256


def choose_elementwise(recipe: Recipe, device: torch.device, console: Console) -> Elementwise:
    """Return fused kernels if the recipe asks for them and this machine can build them."""
    if not recipe.compile:
        return Elementwise()
    if device.type == "cpu" and shutil.which("g++") is None and shutil.which("clang++") is None:
        console.print("No C++ compiler here: training without fused kernels, which is slower.", highlight=False)
        return Elementwise()
    return compiled_elementwise()


def choose_device(name: str) -> torch.device:
    """Return the named device; `auto` takes CUDA where there is one. Raises ConfigurationError for an unknown name."""
    try:
        return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    except RuntimeError as error:
        raise ConfigurationError(f"There is no device {name!r}; give auto, cpu or cuda.") from error


def main(
    data: Annotated[Path, typer.Option(help="Curated rows, JSON lines with messages and answer.")],
    model: Annotated[Path, typer.Option(help="Prepared base model folder.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run found there is continued.")],
    recipe: Annotated[str, typer.Option(help="Recipe by name or path.")] = "default",
    max_minutes: Annotated[float | None, typer.Option(help="Stop at a checkpoint after this time.", min=0)] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a LoRA adapter, or continue a run."""
    console = Console()
    signals = StopSignals()
    signals.install()
    deadline_s = float("inf") if max_minutes is None else time.monotonic() + max_minutes * 60
    limits = RunLimits(deadline_s, signals.is_asked)
    try:
        summary = train(load_recipe(recipe), data, model, out, limits, choose_device(device), console)
    except (FinanceLLMError, FloatingPointError) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    state = "Done" if summary.completed else "Stopped early; the same command continues"
    console.print(
        f"{state}: {summary.steps} of {summary.planned_steps} steps, loss {summary.final_loss:.4f}, "
        f"{summary.example_tokens:,} example tokens in {summary.elapsed_s / 60:.1f} min. Adapter: {out / 'adapter'}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    sys.exit(0 if summary.completed else EXIT_STOPPED_EARLY)


if __name__ == "__main__":
    typer.run(main)
