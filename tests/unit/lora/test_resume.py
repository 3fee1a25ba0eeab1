"""A run killed at any point continues to the loss curve it would have had."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from common.errors import ConfigurationError
from tests.unit.lora.rows import write_rows
from tests.unit.model.tiny import Weights, random_weights, write_folder
from training import precision, run_state
from training.adapter import Adapter
from training.lora import base_sha256, train
from training.loss_log import LOSSES_NAME, LossLog
from training.precision import Precision
from training.recipe import Recipe, load_recipe
from training.run_state import RunIdentity
from training.trainer import RunLimits

RECIPE = """
seed: 3
epochs: 3
compile: false
checkpoint_minutes: 0.004
adapter: {rank: 4, alpha: 8}
optimizer: {learning_rate: 0.01}
packing: {max_row_tokens: 200, pack_tokens: 160, max_rows_per_tree: 3}
"""
NO_LIMITS = RunLimits(float("inf"), lambda: False)


def learnable_weights() -> Weights:
    """Return weights of a scale that lets gradients through: norms of one, the rest wider."""
    return {
        name: np.ones_like(tensor) if name.endswith("norm.weight") else tensor * 4
        for name, tensor in random_weights().items()
    }


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with a recipe, rows and a tiny base model."""
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    write_rows(tmp_path / "train.jsonl", contexts=12, questions=4)
    write_folder(tmp_path / "base", weights=learnable_weights())
    return tmp_path


def run(inputs: Path, out: str, limits: RunLimits = NO_LIMITS, recipe: Recipe | None = None) -> list[float]:
    """Train in this process and return the loss of every step in the log."""
    wanted = recipe or load_recipe(str(inputs / "tiny.yaml"))
    console = Console(quiet=True)
    data, base, device = inputs / "train.jsonl", inputs / "base", torch.device("cpu")
    train(wanted, data, base, inputs / out, limits, device, console)
    return [record.loss for record in LossLog(inputs / out).read()]


def start(inputs: Path, out: str) -> subprocess.Popen[bytes]:
    """Train in a process of its own."""
    paths = [("--recipe", "tiny.yaml"), ("--data", "train.jsonl"), ("--model", "base"), ("--out", out)]
    options = [part for name, path in paths for part in (name, str(inputs / path))]
    return subprocess.Popen([sys.executable, "-m", "training.lora", *options], stdout=subprocess.DEVNULL)


def wait_for_steps(log: LossLog, steps: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the process has logged so many steps."""
    deadline = time.monotonic() + 120
    while len(log.read()) < steps:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_killed_run_resumes_to_the_same_curve(inputs: Path) -> None:
    """Given a run killed by SIGKILL mid-way and a torn log line, when resumed, then all losses equal a whole run's."""
    process = start(inputs, "killed")
    log = LossLog(inputs / "killed")
    wait_for_steps(log, 12, process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    steps_before = len(log.read())
    with (inputs / "killed" / LOSSES_NAME).open("a") as lines:
        lines.write('{"step": 99')

    resumed, whole = run(inputs, "killed"), run(inputs, "whole")

    assert 12 <= steps_before < len(whole)
    assert resumed == whole
    assert (inputs / "killed" / "adapter" / "adapter_model.safetensors").read_bytes() == (
        inputs / "whole" / "adapter" / "adapter_model.safetensors"
    ).read_bytes()


def test_sigterm_leaves_a_checkpoint_and_says_so(inputs: Path) -> None:
    """Given a running process, when it gets SIGTERM, then it exits with 3 and its last step is in the checkpoint."""
    process = start(inputs, "stopped")
    log = LossLog(inputs / "stopped")
    wait_for_steps(log, 3, process)
    process.terminate()

    assert process.wait(timeout=60) == 3
    last = sorted((inputs / "stopped" / "checkpoints").glob("step-*"))[-1]
    assert int(last.name.removeprefix("step-")) == len(log.read())


def test_limits_stop_between_steps_and_the_run_goes_on(inputs: Path) -> None:
    """Given a limit after five steps, when run again without, then the curve is that of one run and learning shows."""
    asked = iter([False] * 5 + [True])
    first = run(inputs, "limited", RunLimits(float("inf"), lambda: next(asked)))
    rest = run(inputs, "limited")

    assert len(first) == 5
    assert rest[:5] == first
    assert sum(rest[-5:]) < 0.9 * sum(rest[:5])
    assert len(Adapter.open(inputs / "limited" / "adapter").pairs) == 2 * 7


def test_a_torn_checkpoint_is_passed_over(inputs: Path) -> None:
    """Given the newest checkpoint's tensors cut short, when resumed, then the one before is used, same losses."""
    asked = iter([False] * 6 + [True])
    run(inputs, "torn", RunLimits(float("inf"), lambda: next(asked)))
    newest = sorted((inputs / "torn" / "checkpoints").glob("step-*"))[-1] / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])

    assert run(inputs, "torn") == run(inputs, "whole")


def test_another_recipe_is_refused(inputs: Path) -> None:
    """Given a run's folder, when another recipe is sent there, then it is refused and names what differs."""
    asked = iter([False, True])
    run(inputs, "out", RunLimits(float("inf"), lambda: next(asked)))
    other = load_recipe(str(inputs / "tiny.yaml")).model_copy(update={"seed": 4})

    with pytest.raises(ConfigurationError, match="another recipe"):
        run(inputs, "out", recipe=other)


def one_step() -> RunLimits:
    """Return the limits of a run that stops after its first step."""
    asked = iter([False, True])
    return RunLimits(float("inf"), lambda: next(asked))


def following(inputs: Path, **adapter: int) -> Recipe:
    """Return a recipe that starts from the adapter of the run `first`."""
    recipe = load_recipe(str(inputs / "tiny.yaml"))
    changed = recipe.adapter.model_copy(update={"start_from": str(inputs / "first" / "adapter"), **adapter})
    return recipe.model_copy(update={"adapter": changed})


def test_run_starts_from_an_earlier_adapter(inputs: Path) -> None:
    """Given a finished run, when another one starts from its adapter, then it begins where that one ended."""
    first = run(inputs, "first")

    second = run(inputs, "second", recipe=following(inputs))

    assert second[0] < (first[0] + first[-1]) / 2
    assert '"start_sha256": "' in (inputs / "second" / "adapter" / "training.json").read_text()


def test_adapter_of_another_rank_is_no_start(inputs: Path) -> None:
    """Given an adapter of rank 4, when a recipe of rank 8 starts from it, then it is refused with both ranks."""
    run(inputs, "first", one_step())

    with pytest.raises(ConfigurationError, match="has rank 4 and scale 2; the recipe asks for rank 8"):
        run(inputs, "second", recipe=following(inputs, rank=8))


def test_adapter_of_another_base_is_no_start(inputs: Path) -> None:
    """Given an adapter, when a recipe starts from it on another base, then it is refused with both bases' hashes."""
    run(inputs, "first", one_step())
    theirs = base_sha256(inputs / "base")
    write_folder(inputs / "base", weights=random_weights())
    ours = base_sha256(inputs / "base")

    with pytest.raises(ConfigurationError, match=f"with sha256 {theirs}, but this run's base has {ours}"):
        run(inputs, "second", one_step(), following(inputs))


def test_adapter_without_a_record_is_a_start_on_any_base(inputs: Path) -> None:
    """Given an adapter that names no base, when a recipe starts from it, then the run goes through."""
    run(inputs, "first", one_step())
    (inputs / "first" / "adapter" / "training.json").unlink()

    assert run(inputs, "second", one_step(), following(inputs))


@pytest.mark.parametrize("file", [None, "float32"])
def test_a_run_goes_on_in_the_format_of_its_checkpoints(
    inputs: Path, monkeypatch: pytest.MonkeyPatch, file: str | None
) -> None:
    """Given a bfloat16 run whose format file is lost or wrong, when resumed elsewhere, then it goes on in bfloat16."""
    asked = iter([False] * 3 + [True])
    monkeypatch.setattr(precision, "faster_on_cpu", lambda: Precision.BFLOAT16)
    first = run(inputs, "old", RunLimits(float("inf"), lambda: next(asked)))
    path = inputs / "old" / "precision"
    path.unlink()
    if file is not None:
        path.write_text(file)

    monkeypatch.setattr(precision, "faster_on_cpu", lambda: Precision.FLOAT32)
    assert run(inputs, "old")[:3] == first


def test_another_number_format_is_named() -> None:
    """Given a run in another number format, when compared, then the message says so."""
    ours, theirs = RunIdentity("a", "b", "c"), RunIdentity("a", "b", "c", precision=Precision.FLOAT32)
    assert run_state._difference(theirs, ours) == "another number format"
