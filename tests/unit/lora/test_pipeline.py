"""The pipeline's steps run when something changed and not otherwise."""

import io
import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer import Typer
from typer.testing import CliRunner

from common.errors import ConfigurationError
from common.model_files import ModelManifest
from tests.unit.model.tiny import write_adapter
from training import pipeline, pipeline_step, recipe
from training.pipeline import Pipeline
from training.pipeline_step import Step, StepFailedError, hash_files
from training.recipe import AdapterSettings, Evaluation, Recipe

QUIET = Console(quiet=True)
PROGRAM = """
import json, pathlib, sys
folder, mode = pathlib.Path(sys.argv[1]), sys.argv[2]
(folder / "runs").open("a").write("x")
if mode == "fail":
    sys.exit(7)
if mode != "empty":
    (folder / "out").write_text("done")
print("progress")
print(json.dumps({"em": 70.5}) if mode != "no result" else "oops")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that counts how often it runs."""
    (tmp_path / "step_program.py").write_text(PROGRAM)
    monkeypatch.setattr(pipeline_step, "ROOT", tmp_path)
    return tmp_path


def step(folder: Path, mode: str = "ok", **inputs: str) -> Step:
    """Return a step over that module."""
    arguments = (str(folder), mode)
    return Step("demo", "step_program", arguments, inputs, (folder / "out",), folder / "scores" / "demo.json")


def runs(folder: Path) -> int:
    """Count the starts so far."""
    return len((folder / "runs").read_text())


def test_a_finished_step_is_skipped_until_an_input_or_output_changes(folder: Path) -> None:
    """Given a finished step, when run again, then it starts only for a changed input or a touched output."""
    for _ in range(2):
        step(folder, data="a").run(folder / "steps", QUIET)
    assert runs(folder) == 1
    assert json.loads((folder / "scores" / "demo.json").read_bytes()) == {"em": 70.5}

    step(folder, data="b").run(folder / "steps", QUIET)
    assert runs(folder) == 2

    (folder / "out").write_text("changed by hand")
    step(folder, data="b").run(folder / "steps", QUIET)
    assert runs(folder) == 3
    (folder / "out").unlink()
    assert not step(folder, data="b").is_current(folder / "steps")


def test_the_command_of_a_step_is_told_as_it_is(folder: Path) -> None:
    """Given arguments with brackets, when a step starts or is current, then none of them is taken for markup."""
    told = io.StringIO()
    bracketed = replace(step(folder), name="demo [a]", arguments=(str(folder), "ok", "[/opt/x]"))
    for _ in range(2):
        bracketed.run(folder / "steps", Console(file=told))
    assert told.getvalue() == f"demo [a]: python -m step_program {folder} ok [/opt/x]\ndemo [a]: current\n"


def test_a_missing_data_folder_is_named_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a data folder with brackets that is not there, when the command runs, then its error holds the path."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    app = Typer()
    app.command()(pipeline.main)
    result = CliRunner().invoke(app, ["--work", str(tmp_path), "--data-dir", str(tmp_path / "[data]")])
    assert result.exit_code == 2
    assert result.output == f"There is no data folder {tmp_path / '[data]'}.\n"


@pytest.mark.parametrize(
    ("mode", "exit_code", "word"),
    [("fail", 7, "exit code 7"), ("empty", 1, "without writing"), ("no result", 1, "JSON object")],
)
def test_a_failed_step_is_not_recorded(folder: Path, mode: str, exit_code: int, word: str) -> None:
    """Given a step that once succeeded, when it fails on new input, then it raises and counts as not done."""
    with pytest.raises(StepFailedError, match=word) as caught:
        step(folder, mode).run(folder / "steps", QUIET)

    assert caught.value.exit_code == exit_code
    assert not step(folder, mode).is_current(folder / "steps")


def test_a_kill_between_work_and_record_repeats_the_step(folder: Path) -> None:
    """Given a step whose record is torn, when run again, then it starts again and ends with a whole record."""
    step(folder).run(folder / "steps", QUIET)
    (folder / "steps" / "demo.json").write_text('{"inputs": "')

    step(folder).run(folder / "steps", QUIET)

    assert runs(folder) == 2
    assert step(folder).is_current(folder / "steps")


def test_hash_depends_on_names_and_contents(tmp_path: Path) -> None:
    """Given two files, when one is renamed or edited, then the hash differs."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    before = hash_files([second, first])

    assert before == hash_files([first, second])
    assert before != hash_files([first])
    second.write_text("3")
    assert before != hash_files([first, second])


TWEETS = Evaluation(name="tweets", format="sentiment", data="tweets.jsonl", scores=("weighted_f1",))
SOURCES = ("api/app.py", "common/numbers.py", "training/evaluate.py", "worker/runner.py")
NATIVE = "worker/engine/native/csrc/sampler.cpp"


@pytest.fixture
def plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree, data, and a work folder as it is before the scores."""
    for name in (*SOURCES, NATIVE, "data/tweets.jsonl", "work/data/train.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    manifest = ModelManifest(
        name="m",
        base="b",
        base_sha256="0",
        adapter=None,
        adapter_sha256=None,
        revision="r",
        tokenizer_sha256="0",
        files={},
        created_at="",
    )
    for name in ("base", "model"):
        (tmp_path / "work" / name).mkdir()
        manifest.write(tmp_path / "work" / name)
    monkeypatch.setattr(pipeline, "ROOT", tmp_path)
    monkeypatch.setattr(recipe, "RECIPES", tmp_path / "recipes")
    return tmp_path


def planned(plans: Path, engine: str = "auto", start_from: str | None = None) -> Pipeline:
    """Return the pipeline over these folders."""
    wanted = Recipe(name="t", adapter=AdapterSettings(start_from=start_from), evaluations=(TWEETS,))
    return Pipeline(wanted, "t", plans / "data", plans / "work", "source", engine, ())


@pytest.mark.parametrize("name", [*SOURCES, NATIVE])
def test_scores_depend_on_the_whole_service(plans: Path, name: str) -> None:
    """Given scores, when any part of the service changes, then they are not current."""
    before = planned(plans).evaluation(TWEETS).inputs
    assert planned(plans).evaluation(TWEETS).inputs == before
    (plans / name).write_text("changed")
    assert planned(plans).evaluation(TWEETS).inputs != before


def test_scores_depend_on_the_engine(plans: Path) -> None:
    """Given scores, when another engine is set, then they are not current."""
    inputs = [planned(plans, engine).evaluation(TWEETS).inputs for engine in ("auto", "transformers")]
    assert inputs[0] != inputs[1]


def test_an_engine_without_a_model_gives_no_scores(plans: Path) -> None:
    """Given the engine of the tests, when the pipeline runs, then it is refused before anything is done."""
    with pytest.raises(ConfigurationError, match="FINANCELLM_ENGINE=fake"):
        planned(plans, "fake").run(QUIET)
    assert not (plans / "work" / "steps").exists()


def test_a_run_depends_on_the_adapter_it_starts_from(plans: Path) -> None:
    """Given a run from an adapter, when another one lies there, then that is another run, and so are its outputs."""
    write_adapter(plans / "start", seed=1)
    before = planned(plans, start_from="start").lora()
    assert planned(plans, start_from="start").lora().arguments == before.arguments
    write_adapter(plans / "start", seed=2)
    after = planned(plans, start_from="start").lora()
    assert after.inputs != before.inputs
    assert after.outputs != before.outputs
    assert planned(plans).lora().inputs.keys() == {"recipe", "data", "base"}
