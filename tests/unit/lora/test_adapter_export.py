"""The written adapter is PEFT's: it loads there and gives the trained model's loss."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import Qwen2ForCausalLM

from training.adapter_export import RunSummary, export_adapter
from training.batches import build_tree
from training.elementwise import Elementwise
from training.examples import Example
from training.packed_model import load_packed_model
from training.recipe import AdapterSettings, Recipe
from training.run_state import RunIdentity

MakeRows = Callable[[int, int, int], list[Example]]
SUMMARY = RunSummary(True, 3, 3, 4, 0, 100, 50, 0.5, 1.0)
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.mark.parametrize("first_layer", [0, 2])
def test_peft_loads_what_was_trained(tiny_model: Path, tmp_path: Path, make_rows: MakeRows, first_layer: int) -> None:
    """Given an adapter with values, when exported and loaded by PEFT, then the loss is the packed model's."""
    recipe = Recipe(name="t", adapter=AdapterSettings(rank=4, alpha=12, first_layer=first_layer))
    packed = load_packed_model(tiny_model, recipe.adapter, Elementwise(), torch.device("cpu"))
    packed.reset_adapter(seed=1)
    with torch.no_grad():
        for linear in packed.linears()[first_layer * 4 :]:
            linear.lora_b.normal_(std=0.2)
    packed.refresh_adapter()
    row = make_rows(1, 1, 30)[0]

    export_adapter(tmp_path / "adapter", packed, recipe, RunIdentity("a", "b", "c"), SUMMARY, "abc")
    base = Qwen2ForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(base, tmp_path / "adapter")
    ids = torch.cat([torch.from_numpy(row.prompt_ids), torch.from_numpy(row.answer_ids)]).long()[None]
    logits = loaded(input_ids=ids).logits[0, len(row.prompt_ids) - 1 : -1]
    expected = torch.nn.functional.cross_entropy(logits, ids[0, len(row.prompt_ids) :])

    assert packed((build_tree([row]),), len(row.answer_ids)).item() == pytest.approx(expected.item(), rel=1e-5)


def test_record_names_what_it_was_made_from(tiny_model: Path, tmp_path: Path) -> None:
    """Given an export over an older one, when read, then recipe, hashes, revision and run are there, no path is."""
    recipe = Recipe(name="t", adapter=AdapterSettings(rank=4))
    packed = load_packed_model(tiny_model, recipe.adapter, Elementwise(), torch.device("cpu"))
    for _ in range(2):
        export_adapter(tmp_path / "adapter", packed, recipe, RunIdentity("a", "b", "c"), SUMMARY, "abc")
    record = json.loads((tmp_path / "adapter" / "training.json").read_text())

    assert (record["data_sha256"], record["base_sha256"], record["recipe_fingerprint"]) == ("b", "c", "a")
    assert record["recipe"]["adapter"]["rank"] == 4
    assert record["git_revision"] == "abc"
    assert record["run"]["completed"] is True
    assert str(tmp_path) not in json.dumps(record)
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "training.json",
    ]
