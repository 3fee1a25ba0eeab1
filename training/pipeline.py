"""From data files to a scored adapter and a model folder: `python -m training.pipeline --recipe default`.

Base → curate → LoRA → merge and pack → evaluate → adapter with its scores. Every step is a process and is skipped
while its recorded inputs and outputs are unchanged, so the same command continues after a kill at any point.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from filelock import FileLock, Timeout
from rich.console import Console

from common.errors import ConfigurationError, FinanceLLMError
from common.model_files import MANIFEST_NAME, TOKENIZER_NAME, ModelManifest, sha256_file
from common.settings import get_settings
from training.adapter import ADAPTER_CONFIG_NAME, ADAPTER_WEIGHTS_NAME, TRAINING_NAME, adapter_sha256
from training.pipeline_step import ROOT, Step, StepFailedError, hash_files, write_json_durably
from training.recipe import Evaluation, Recipe, load_recipe
from training.served_model import served_model
from training.trainer import ADAPTER_FOLDER

DATA_DIR_VARIABLE = "FINANCELLM_SHARED_DATA"
_TRAINING_PACKAGES = ("common", "training")
# Scores come from the service itself, so that all of it decides them.
_SERVICE_PACKAGES = ("api", "common", "training", "worker")
_NATIVE_SOURCE = Path("worker", "engine", "native", "csrc")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps of one recipe in one work folder; each is planned when those before it are done."""

    recipe: Recipe
    recipe_option: str
    data_dir: Path
    work: Path
    model_source: str
    engine: str
    train_options: tuple[str, ...]

    def run(self, console: Console) -> Path:
        """Run what is not current; return the scored adapter's folder.

        Raises StepFailedError, and ConfigurationError before anything is done where the engine gives no real scores.
        """
        if self.engine == "fake" and self.recipe.evaluations:
            raise ConfigurationError("FINANCELLM_ENGINE=fake reads no model, so its scores mean nothing. Use auto.")
        for plan in (self.base, self.curate, self.lora, self.model):
            plan().run(self._records, console)
        self._evaluate(console)
        return self._publish()

    def base(self) -> Step:
        """Fetch the base model without an adapter."""
        arguments = ("--adapter", "none", "--source", self.model_source, "--model-dir", str(self._base))
        inputs = {"source": self.model_source}
        return Step("base", "training.prepare", arguments, inputs, (self._base / MANIFEST_NAME,))

    def curate(self) -> Step:
        """Build the training rows."""
        options = ("--data-dir", str(self.data_dir), "--out", str(self._data))
        arguments = (*options, "--tokenizer", str(self._base / TOKENIZER_NAME), *self.recipe.curate_arguments)
        inputs = {
            "data": hash_files(path for path in self.data_dir.rglob("*") if path.is_file()),
            "tokenizer": sha256_file(self._base / TOKENIZER_NAME),
            "arguments": json.dumps(self.recipe.curate_arguments),
            "code": hash_files(_python_files(_TRAINING_PACKAGES)),
        }
        outputs = tuple(self._data / name for name in ("train.jsonl", "selection.jsonl", "card.json"))
        return Step("curate", "training.curate", arguments, inputs, outputs)

    def lora(self) -> Step:
        """Train the adapter; the run's folder is named by what it is made from."""
        options = ("--recipe", self.recipe_option, "--data", str(self._data / "train.jsonl"))
        arguments = (*options, "--model", str(self._base), "--out", str(self._run), *self.train_options)
        outputs = tuple(self._trained / name for name in (ADAPTER_CONFIG_NAME, ADAPTER_WEIGHTS_NAME, TRAINING_NAME))
        return Step("lora", "training.lora", arguments, self._run_inputs(), outputs)

    def model(self) -> Step:
        """Merge the adapter into the base and pack the result for the engine."""
        options = ("--adapter", str(self._trained), "--source", self.model_source)
        arguments = (*options, "--model-dir", str(self._model))
        inputs = {"source": self.model_source, "adapter": hash_files(self._trained.iterdir())}
        return Step("model", "training.prepare", arguments, inputs, (self._model / MANIFEST_NAME,))

    def evaluation(self, evaluation: Evaluation) -> Step:
        """Score what a service with the merged model answers on one data file; `--url` is still to be added."""
        data = self.data_dir / evaluation.data
        if not data.is_file():
            raise ConfigurationError(f"The recipe evaluates on {evaluation.data}, which is not in {self.data_dir}.")
        arguments = ["--data", str(data), "--format", evaluation.format]
        if evaluation.limit is not None:
            arguments += ["--limit", str(evaluation.limit)]
        inputs = {
            "revision": ModelManifest.read(self._model).revision,
            "data": sha256_file(data),
            "evaluation": evaluation.model_dump_json(),
            "engine": self.engine,
            "code": hash_files(_service_files()),
        }
        name = f"evaluate-{evaluation.name}"
        return Step(name, "training.evaluate", tuple(arguments), inputs, (), self._score_path(evaluation))

    def _evaluate(self, console: Console) -> None:
        """Ask one service for all scores that are not current; none is started where all are."""
        steps = [self.evaluation(evaluation) for evaluation in self.recipe.evaluations]
        if all(step.is_current(self._records) for step in steps):
            return
        with served_model(self._model, self._trained, self.model_source, self.work / "service") as url:
            for step in steps:
                replace(step, arguments=(*step.arguments, "--url", url)).run(self._records, console)

    def _publish(self) -> Path:
        """Copy the adapter with the scores in its record."""
        target = self.work / "adapter"
        staging = self.work / ".adapter.new"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(self._trained, staging)
        record: dict[str, Any] = json.loads((staging / TRAINING_NAME).read_bytes())
        record["scores"] = self._scores()
        write_json_durably(staging / TRAINING_NAME, record)
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
        return target

    def _scores(self) -> dict[str, float]:
        scores = {}
        for evaluation in self.recipe.evaluations:
            result: dict[str, Any] = json.loads(self._score_path(evaluation).read_bytes())
            for key in evaluation.scores:
                if not isinstance(result.get(key), int | float):
                    raise ConfigurationError(f"The evaluation {evaluation.name} has no number {key!r}.")
                scores[f"{evaluation.name}_{key}"] = float(result[key])
        return scores

    def _run_inputs(self) -> dict[str, str]:
        inputs = {
            "recipe": self.recipe.fingerprint,
            "data": sha256_file(self._data / "train.jsonl"),
            "base": ModelManifest.read(self._base).base_sha256,
        }
        start = self.recipe.start_folder
        return inputs if start is None else inputs | {"start": adapter_sha256(start)}

    def _score_path(self, evaluation: Evaluation) -> Path:
        return self.work / "scores" / f"{evaluation.name}.json"

    @property
    def _run(self) -> Path:
        key = hashlib.sha256(json.dumps(self._run_inputs(), sort_keys=True).encode()).hexdigest()
        return self.work / "runs" / key[:12]

    @property
    def _trained(self) -> Path:
        return self._run / ADAPTER_FOLDER

    @property
    def _base(self) -> Path:
        return self.work / "base"

    @property
    def _data(self) -> Path:
        return self.work / "data"

    @property
    def _model(self) -> Path:
        return self.work / "model"

    @property
    def _records(self) -> Path:
        return self.work / "steps"


def _python_files(packages: Iterable[str]) -> list[Path]:
    return [path for package in packages for path in (ROOT / package).rglob("*.py")]


def _service_files() -> list[Path]:
    native = [path for path in (ROOT / _NATIVE_SOURCE).rglob("*") if path.is_file()]
    return _python_files(_SERVICE_PACKAGES) + native


def _data_dir(given: Path | None) -> Path:
    folder = given or (Path(os.environ[DATA_DIR_VARIABLE]) if os.environ.get(DATA_DIR_VARIABLE) else None)
    if folder is None:
        raise ConfigurationError(f"Name the data folder with --data-dir or {DATA_DIR_VARIABLE}.")
    if not folder.is_dir():
        raise ConfigurationError(f"There is no data folder {folder}.")
    return folder.resolve()


def main(
    recipe: Annotated[str, typer.Option(help="Recipe by name or path.")] = "default",
    data_dir: Annotated[Path | None, typer.Option(help=f"Data folder; default from {DATA_DIR_VARIABLE}.")] = None,
    work: Annotated[Path | None, typer.Option(help="Folder for all results; default DATA_DIR/training/RECIPE.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="Stop the training at a checkpoint after this time.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to train: auto, cpu or cuda.")] = "auto",
) -> None:
    """Run a recipe from data files to a scored adapter, or continue it."""
    console = Console()
    # A supervisor's stop ends the running step as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = get_settings()
        loaded = load_recipe(recipe)
        folder = (work or settings.data_dir / "training" / loaded.name).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        option = str(Path(recipe).resolve()) if Path(recipe).is_file() else recipe
        limit = () if max_minutes is None else ("--max-minutes", str(max_minutes))
        pipeline = Pipeline(
            recipe=loaded,
            recipe_option=option,
            data_dir=_data_dir(data_dir),
            work=folder,
            model_source=settings.model_source,
            engine=settings.engine,
            train_options=("--device", device, *limit),
        )
        with FileLock(folder / ".lock", timeout=0):
            adapter = pipeline.run(console)
    except Timeout:
        console.print("Another pipeline is working in this folder.", style="red", highlight=False)
        sys.exit(2)
    except StepFailedError as error:
        console.print(
            f"{error.message} The same command continues from here.", style="red", markup=False, highlight=False
        )
        sys.exit(error.exit_code)
    except FinanceLLMError as error:
        console.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        console.print("Stopped. The same command continues from here.", highlight=False)
        sys.exit(130)
    done = f"Done. Adapter: {adapter}. Model: {folder / 'model'}"
    console.print(done, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
