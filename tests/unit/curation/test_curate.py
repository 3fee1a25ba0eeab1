"""Curation over the real data files, where they are at hand, and its refusal of changed ones."""

import json
import os
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from common.errors import ConfigurationError
from training import curate, sources
from training.mix import collect, held_out
from training.tasks.base import text_hash
from training.tasks.tatqa import TatqaTask

DATA = os.environ.get(curate.DATA_DIR_VARIABLE)
needs_data = pytest.mark.skipif(not DATA, reason=f"{curate.DATA_DIR_VARIABLE} does not name the data folder")
app = Typer()
app.command()(curate.main)


@needs_data
def test_the_mix_is_repeatable_licensed_and_apart_from_evaluation(tmp_path: Path) -> None:
    """Given the data, when the mix is built twice, then both are equal and no row is reported on."""
    arguments = ["--data-dir", str(DATA), "--task", "sentiment", "--task", "finqa", "--task", "refusal", "--out"]
    for name in ("a", "b"):
        assert CliRunner().invoke(app, [*arguments, str(tmp_path / name)]).exit_code == 0
    first = (tmp_path / "a" / "train.jsonl").read_bytes()
    assert first == (tmp_path / "b" / "train.jsonl").read_bytes()
    rows = [json.loads(line) for line in first.splitlines()]
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert sum(source["rows"] for source in card["sources"]) == card["rows"] == len(rows) > 1500
    assert {row["licence"] for row in rows} == {"MIT", "CC-BY-4.0"}
    assert {row["task"] for row in rows} == {"sentiment", "finqa", "refusal"}
    reported = {text_hash([example.messages[-1].content]) for example in held_out(Path(str(DATA)))}
    assert not reported & {text_hash([row["messages"][-1]["content"]]) for row in rows}


@needs_data
def test_nearly_every_training_question_has_a_target_that_scores() -> None:
    """Given TAT-QA train, then at least 99% of its targets are exact matches by the official rules."""
    task = TatqaTask()
    examples = list(task.examples(sources.TATQA_TRAIN.locate(Path(str(DATA)))))
    right = [row for row in examples if row.answer and task.score(row, row.answer).metrics["em"] == 1]
    assert len(right) / len(examples) > 0.99


def test_a_missing_or_changed_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no tatqa/train\.json"):
        list(collect(tmp_path, frozenset({"tatqa"}), seed=1))
    (tmp_path / "tatqa").mkdir()
    (tmp_path / "tatqa" / "train.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        list(collect(tmp_path, frozenset({"tatqa"}), seed=1))


def test_an_unknown_task_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--data-dir", str(tmp_path), "--out", str(tmp_path / "o"), "--task", "poems"])
    assert result.exit_code == 2
    assert "poems" in result.output


def test_the_data_folder_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(curate.DATA_DIR_VARIABLE, raising=False)
    result = CliRunner().invoke(app, ["--out", str(tmp_path)])
    assert result.exit_code == 2
    assert curate.DATA_DIR_VARIABLE in result.output


def test_no_source_for_training_is_non_commercial_or_reported() -> None:
    trainable = [sources.TATQA_TRAIN, sources.TATQA_EXTRA, sources.FINQA_TRAIN, sources.TFNS, *sources.XBRL]
    assert all(source.trainable and "NC" not in source.licence for source in trainable)
    assert not any(source.trainable for source in (sources.TATQA_DEV, sources.FINQA_DEV, sources.FINQA_DEV_RETRIEVED))
    assert not sources.CONVFINQA.trainable
