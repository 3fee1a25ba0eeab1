"""Recipes, rows, learning rate and the loss curve's picture."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from tokenizers import Tokenizer

from common.errors import ConfigurationError
from common.tokens import ChatTokenizer
from tests.unit.lora.rows import write_rows
from tests.unit.model.tiny import write_folder
from training.examples import read_examples
from training.loss_curve import MEAN_COLOUR, draw_loss_curve
from training.recipe import RECIPES, OptimizerSettings, Recipe, Schedule, load_recipe
from training.trainer import learning_rate


@pytest.fixture
def tokenizer(tmp_path: Path) -> ChatTokenizer:
    """The tiny model's tokenizer."""
    return ChatTokenizer(Tokenizer.from_file(str(write_folder(tmp_path / "base") / "tokenizer.json")))


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_shipped_recipes_are_valid(name: str) -> None:
    """Given a shipped recipe, when read by name, then it is valid and carries that name."""
    assert load_recipe(name).name == name


@pytest.mark.parametrize(
    ("text", "word"), [("rank: 8", "rank"), ("adapter: {rank: 0}", "rank"), ("a: [", "not valid"), ("- 1", "not valid")]
)
def test_faulty_recipes_are_refused(tmp_path: Path, text: str, word: str) -> None:
    """Given an unknown, impossible or unreadable value, when read, then the error names it."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=word):
        load_recipe(str(path))


def test_unknown_recipe_lists_the_known() -> None:
    """Given a name that is none, when read, then the error lists the shipped recipes."""
    with pytest.raises(ConfigurationError, match=r"default.*smoke"):
        load_recipe("defualt")


def test_fingerprint_follows_what_decides_the_weights() -> None:
    """Given two recipes, when only their pace differs, then fingerprints are equal; a seed changes them."""
    recipe = Recipe(name="a")

    assert recipe.fingerprint == Recipe(name="b", checkpoint_minutes=1, compile=False).fingerprint
    assert recipe.fingerprint != Recipe(name="a", seed=1).fingerprint


def test_long_rows_are_counted_not_cut(tmp_path: Path, tokenizer: ChatTokenizer) -> None:
    """Given a limit that some rows pass, when read, then these are dropped and counted and the others whole."""
    path = write_rows(tmp_path / "rows.jsonl", contexts=3, questions=2)
    whole = read_examples(path, tokenizer, 500)
    limit = max(row.tokens for row in whole.examples) - 1
    some = read_examples(path, tokenizer, limit)

    assert (len(whole.examples), whole.rows_too_long) == (6, 0)
    assert some.rows_too_long == 6 - len(some.examples) > 0
    assert whole.examples[0].answer_ids[-1] in tokenizer.stop_token_ids


@pytest.mark.parametrize(
    "line", ["{", '{"answer": "1"}', '{"messages": [{"role": "boss", "content": ""}], "answer": ""}']
)
def test_a_faulty_row_is_named(tmp_path: Path, tokenizer: ChatTokenizer, line: str) -> None:
    """Given a broken line, when read, then the error says which."""
    path = write_rows(tmp_path / "rows.jsonl", contexts=1, questions=2)
    path.write_text(path.read_text() + line + "\n")

    with pytest.raises(ConfigurationError, match=r"rows\.jsonl line 3"):
        read_examples(path, tokenizer, 500)


@pytest.mark.parametrize("schedule", list(Schedule))
def test_learning_rate_rises_then_falls_to_its_share(schedule: Schedule) -> None:
    """Given a schedule, when followed, then it peaks once after warm-up and ends at the final share."""
    settings = OptimizerSettings(learning_rate=1.0, schedule=schedule, warmup_share=0.1, final_share=0.05)
    rates = [learning_rate(settings, step, 100) for step in range(100)]

    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)


def test_curve_is_a_readable_png(tmp_path: Path) -> None:
    """Given losses with a gap, when drawn, then the PNG decodes and its dark line falls from left to right."""
    losses = [2 * math.exp(-step / 50) for step in range(200)]
    losses[7] = math.nan
    draw_loss_curve(losses[:1], tmp_path / "one.png")
    draw_loss_curve(losses, tmp_path / "loss.png")

    picture = imread(tmp_path / "loss.png")[:, :, :3]
    dark = np.isclose(picture, to_rgb(MEAN_COLOUR), atol=0.02).all(2)
    columns = np.flatnonzero(dark.any(0))
    places = [np.flatnonzero(dark[:, column]).min() for column in (columns[5], columns[len(columns) // 2], columns[-5])]
    assert places == sorted(places)
    assert places[0] < places[-1] - 100
