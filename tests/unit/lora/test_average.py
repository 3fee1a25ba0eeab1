"""The mean of two adapters is taken matrix by matrix and says what it was made of."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer import Typer
from typer.testing import CliRunner

from common.errors import ConfigurationError
from training.adapter import Adapter, adapter_sha256
from training.adapter_export import RunSummary, export_adapter
from training.average import average, main
from training.elementwise import Elementwise
from training.packed_model import load_packed_model
from training.recipe import AdapterSettings, Recipe
from training.run_state import RunIdentity

SUMMARY = RunSummary(True, 3, 3, 4, 0, 100, 50, 0.5, 1.0)


def adapter(model: Path, folder: Path, seed: int, rank: int = 4) -> Path:
    recipe = Recipe(name="t", adapter=AdapterSettings(rank=rank))
    packed = load_packed_model(model, recipe.adapter, Elementwise(), torch.device("cpu"))
    packed.reset_adapter(seed)
    export_adapter(folder, packed, recipe, RunIdentity("a", "b", "c"), SUMMARY, "abc")
    return folder


def test_each_matrix_is_the_weighted_mean(tiny_model: Path, tmp_path: Path) -> None:
    """Given two adapters, when averaged three to one, then so is every matrix, and the record names both."""
    older, newer = adapter(tiny_model, tmp_path / "a", 1), adapter(tiny_model, tmp_path / "b", 2)
    average(older, newer, 0.75, tmp_path / "mean")

    parts = [load_file(tmp_path / name / "adapter_model.safetensors") for name in ("a", "b", "mean")]
    for name, first in parts[0].items():
        torch.testing.assert_close(parts[2][name], 0.25 * first + 0.75 * parts[1][name])
    record = json.loads((tmp_path / "mean" / "training.json").read_text())
    assert record["averaged"] == {
        "older_sha256": adapter_sha256(older),
        "newer_sha256": adapter_sha256(newer),
        "newer_share": 0.75,
    }
    assert record["scores"] == {}
    assert Adapter.open(tmp_path / "mean").pairs.keys() == Adapter.open(older).pairs.keys()


def test_adapters_of_other_shapes_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    older, newer = adapter(tiny_model, tmp_path / "a", 1), adapter(tiny_model, tmp_path / "b", 1, rank=8)
    with pytest.raises(ConfigurationError, match="differ in modules, rank or scale"):
        average(older, newer, 0.5, tmp_path / "mean")


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2, 1.5])
def test_a_share_that_is_no_mean_is_refused(tiny_model: Path, tmp_path: Path, share: float) -> None:
    older = adapter(tiny_model, tmp_path / "a", 1)
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        average(older, older, share, tmp_path / "mean")


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_mean_in_place_of_one_of_them_is_refused(tiny_model: Path, tmp_path: Path, name: str) -> None:
    """Given the folder of either adapter as target, when averaged, then it is refused and both are as they were."""
    older, newer = adapter(tiny_model, tmp_path / "a", 1), adapter(tiny_model, tmp_path / "b", 2)
    before = adapter_sha256(older), adapter_sha256(newer)
    with pytest.raises(ConfigurationError, match="would be lost"):
        average(older, newer, 0.5, tmp_path / "a" / ".." / name)
    assert (adapter_sha256(older), adapter_sha256(newer)) == before


def test_an_adapter_without_a_record_is_averaged(tiny_model: Path, tmp_path: Path) -> None:
    """Given a newer adapter without training.json, when averaged, then the mean says what it was made of."""
    older, newer = adapter(tiny_model, tmp_path / "a", 1), adapter(tiny_model, tmp_path / "b", 2)
    (newer / "training.json").unlink()
    average(older, newer, 0.5, tmp_path / "mean")
    record = json.loads((tmp_path / "mean" / "training.json").read_text())
    assert record.keys() == {"averaged", "scores"}


def test_adapters_of_other_bases_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    """Given adapters of the same shape over other base weights, when averaged, then it is refused."""
    older, newer = adapter(tiny_model, tmp_path / "a", 1), adapter(tiny_model, tmp_path / "b", 2)
    (newer / "training.json").write_text(json.dumps({"base_sha256": "0" * 64}))
    with pytest.raises(ConfigurationError, match="different base weights"):
        average(older, newer, 0.5, tmp_path / "mean")


def test_a_folder_that_is_no_adapter_is_named_as_it_is(tmp_path: Path) -> None:
    """Given a folder with brackets in its name, when it is no adapter, then the command's error holds all of it."""
    app = Typer()
    app.command()(main)
    folder = tmp_path / "[older]"
    result = CliRunner().invoke(app, ["--older", str(folder), "--newer", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert str(folder) in result.output
