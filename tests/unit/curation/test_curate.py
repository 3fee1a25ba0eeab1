"""Curation over the real data files, where they are at hand, and its refusal of changed ones."""

import json
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from common.errors import ConfigurationError
from training import curate, sources
from training.evaluate import Format, Level, chosen, load
from training.mix import collect, held_out
from training.splits import split, table_marks
from training.tasks.base import Example, text_hash
from training.tasks.tatqa import TatqaTask
from training.tasks.tatqa_extra import is_misread

app = Typer()
app.command()(curate.main)


def test_the_mix_is_repeatable_licensed_and_apart_from_evaluation(tmp_path: Path, shared_data: Path) -> None:
    """Given the data, when the mix is built twice, then both are equal and no row is reported on."""
    arguments = ["--data-dir", str(shared_data), "--task", "sentiment", "--task", "finqa", "--task", "refusal", "--out"]
    for name in ("a", "b"):
        assert CliRunner().invoke(app, [*arguments, str(tmp_path / name)]).exit_code == 0
    first = (tmp_path / "a" / "train.jsonl").read_bytes()
    assert first == (tmp_path / "b" / "train.jsonl").read_bytes()
    rows = [json.loads(line) for line in first.splitlines()]
    card = json.loads((tmp_path / "a" / "card.json").read_text())
    assert sum(source["rows"] for source in card["sources"]) == card["rows"] == len(rows) > 1500
    assert {row["licence"] for row in rows} == {"MIT", "CC-BY-4.0"}
    assert {row["task"] for row in rows} == {"sentiment", "finqa", "refusal"}
    reported = {text_hash([example.messages[-1].content]) for example in held_out(shared_data)}
    assert not reported & {text_hash([row["messages"][-1]["content"]]) for row in rows}


def test_nearly_every_training_question_has_a_target_that_scores(shared_data: Path) -> None:
    """Given TAT-QA train, then at least 99% of its targets are exact matches by the official rules."""
    task = TatqaTask()
    examples = list(task.examples(sources.TATQA_TRAIN.locate(shared_data)))
    right = [row for row in examples if row.answer and task.score(row, row.answer).metrics["em"] == 1]
    assert len(right) / len(examples) > 0.99


def test_misread_rows_are_left_out_and_move_no_other(tmp_path: Path, shared_data: Path) -> None:
    """Given the rows whose recovered line is wrong, then they alone are missing from the mix, and are counted."""
    tasks = frozenset({"tatqa"})
    parts, card = curate.curate(
        shared_data, tasks=tasks, seed=1, selection_share=0.1, tokenizer=None, max_tokens=10_000
    )
    whole = split(collect(shared_data, tasks, seed=1), held_out(shared_data), 0.1, seed=1)
    for kept, drawn in ((parts.train, whole.train), (parts.selection, whole.selection)):
        assert [row.uid for row in kept] == [row.uid for row in drawn if not is_misread(row)]
    assert card["dropped"]["tatqa_extra: misread"] > 10


def test_a_missing_or_changed_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no tatqa/train\.json"):
        list(collect(tmp_path, frozenset({"tatqa"}), seed=1))
    (tmp_path / "tatqa").mkdir()
    (tmp_path / "tatqa" / "train.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        list(collect(tmp_path, frozenset({"tatqa"}), seed=1))


@pytest.mark.parametrize("task", ["poems", "[poems]", "[/poems]"])
def test_an_unknown_task_is_refused_with_the_known_ones(tmp_path: Path, task: str) -> None:
    result = CliRunner().invoke(app, ["--data-dir", str(tmp_path), "--out", str(tmp_path / "o"), "--task", task])
    assert result.exit_code == 2
    assert f"There is no task {task}; known are " in result.output


def test_the_data_folder_must_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(curate.DATA_DIR_VARIABLE, raising=False)
    result = CliRunner().invoke(app, ["--out", str(tmp_path)])
    assert result.exit_code == 2
    assert curate.DATA_DIR_VARIABLE in result.output


def test_no_source_for_training_is_non_commercial_or_reported() -> None:
    whole = [sources.TATQA_TRAIN, sources.TATQA_EXTRA, sources.FINQA_TRAIN, *sources.XBRL]
    in_part = [sources.TFNS, sources.FINQA_DEV, sources.CONVFINQA]
    assert all(source.trainable and "NC" not in source.licence for source in (*whole, *in_part))
    assert not any(source.trainable for source in (sources.TATQA_DEV, sources.FINQA_DEV_RETRIEVED))


def test_finqa_pages_are_either_reported_or_trained_on(shared_data: Path) -> None:
    """Given FinQA's dev split, when the mix takes its share, then no page or table of it is reported on."""
    found = list(collect(shared_data, frozenset({"finqa_dev"}), seed=1))
    parts = split(found, held_out(shared_data), selection_share=0.0, seed=1)
    assert {row.source for row in parts.train} == {"finqa_dev", "convfinqa"}
    assert 300 < len(parts.train) < len(found)
    reported: list[Example] = []
    for form in (Format.FINQA, Format.CONVFINQA):
        path = (sources.FINQA_DEV_RETRIEVED if form is Format.FINQA else sources.CONVFINQA).locate(shared_data)
        reported += chosen(form, load(form, path, Level.BALANCED)[1], None, None)
    assert len(reported) > 400
    assert not {row.group for row in reported} & {row.group for row in parts.train}
    tables = {mark for row in reported if row.document for mark in table_marks(row.document)}
    assert not [row.uid for row in parts.train if row.document and tables & table_marks(row.document)]
