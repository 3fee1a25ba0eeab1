"""The packed trainer computes the loss and gradients of a plain PEFT loop over separate rows."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import Qwen2ForCausalLM

from training.batches import Pack, build_tree
from training.elementwise import Elementwise, compiled_elementwise
from training.examples import Example
from training.packed_model import ATTENTION, MLP, PackedQwen2, load_packed_model
from training.recipe import AdapterSettings

MakeRows = Callable[[int, int, int], list[Example]]
SETTINGS = AdapterSettings(rank=4, alpha=8)
# PEFT and torch.compile use names that transformers and torch have deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
]


def plain_peft(folder: Path, packed: PackedQwen2) -> PeftModel:
    """Return the same model as transformers and PEFT build it, with the packed model's adapter."""
    base = Qwen2ForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
    targets = [*ATTENTION, "o_proj", *MLP, "down_proj"]
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM"))
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, linear, index in packed.projections():
            lora = f"base_model.model.{name}.lora_"
            parameters[f"{lora}A.default.weight"].copy_(linear.lora_a[linear.ranks(index)])
            parameters[f"{lora}B.default.weight"].copy_(linear.lora_b[linear.rows()[index]])
    return model


def plain_loss(model: PeftModel, rows: list[Example]) -> torch.Tensor:
    """Run each row alone; return the mean loss over all answer tokens."""
    total = torch.zeros(())
    for row in rows:
        ids = torch.cat([torch.from_numpy(row.prompt_ids), torch.from_numpy(row.answer_ids)]).long()[None]
        logits = model(input_ids=ids).logits[0, len(row.prompt_ids) - 1 : -1]
        total = total + torch.nn.functional.cross_entropy(logits, ids[0, len(row.prompt_ids) :], reduction="sum")
    return total / sum(len(row.answer_ids) for row in rows)


def randomise_adapter(packed: PackedQwen2) -> None:
    """Give B values, so that A has gradients too."""
    packed.reset_adapter(seed=5)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for linear in packed.linears():
            linear.lora_b.copy_(torch.randn(linear.lora_b.shape, generator=generator) * 0.1)
    packed.refresh_adapter()


def assert_same_gradients(packed: PackedQwen2, plain: PeftModel, tolerance: float) -> None:
    """Compare every adapter matrix by the norm of the difference over the norm."""
    parameters = dict(plain.named_parameters())
    compared = 0
    for name, linear, index in packed.projections():
        lora = f"base_model.model.{name}.lora_"
        assert linear.lora_a.grad is not None
        assert linear.lora_b.grad is not None
        for mine, plain_name in (
            (linear.lora_a.grad[linear.ranks(index)], f"{lora}A.default.weight"),
            (linear.lora_b.grad[linear.rows()[index]], f"{lora}B.default.weight"),
        ):
            expected = parameters[plain_name].grad
            assert expected is not None
            assert expected.norm() > 0, plain_name
            assert (mine - expected).norm() <= tolerance * expected.norm(), plain_name
            compared += 1
    assert compared == 2 * 7 * (len(packed.layers) - packed.first_layer)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_gradients_equal_plain_peft(tiny_model: Path, make_rows: MakeRows, compiled: bool) -> None:
    """Given trees of several contexts, when a pack is computed, then loss and gradients equal those of lone rows."""
    elementwise = compiled_elementwise() if compiled else Elementwise()
    packed = load_packed_model(tiny_model, SETTINGS, elementwise, torch.device("cpu"))
    randomise_adapter(packed)
    rows = make_rows(3, 4, 40)
    plain = plain_peft(tiny_model, packed)

    expected = plain_loss(plain, rows)
    expected.backward()  # type: ignore[no-untyped-call]
    pack: Pack = tuple(build_tree(rows[start : start + 4]) for start in range(0, 12, 4))
    loss = packed(pack, sum(len(row.answer_ids) for row in rows))
    loss.backward()

    assert sum(tree.tokens for tree in pack) < 0.5 * sum(row.tokens for row in rows)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert_same_gradients(packed, plain, tolerance=1e-4)


def test_packs_of_a_step_add_up(tiny_model: Path, make_rows: MakeRows) -> None:
    """Given rows over two packs, when both are accumulated, then gradients equal the mean over all rows."""
    packed = load_packed_model(tiny_model, SETTINGS, Elementwise(), torch.device("cpu"))
    randomise_adapter(packed)
    rows = make_rows(2, 3, 20)
    plain = plain_peft(tiny_model, packed)
    plain_loss(plain, rows).backward()  # type: ignore[no-untyped-call]

    answer_tokens = sum(len(row.answer_ids) for row in rows)
    for start in (0, 3):
        packed((build_tree(rows[start : start + 3]),), answer_tokens).backward()

    assert_same_gradients(packed, plain, tolerance=1e-4)


def test_frozen_lower_layers_are_skipped(tiny_model: Path, make_rows: MakeRows) -> None:
    """Given first_layer 1, when a pack is computed, then upper layers match PEFT and the lowest has no gradient."""
    settings = AdapterSettings(rank=4, alpha=8, first_layer=1)
    packed = load_packed_model(tiny_model, settings, Elementwise(), torch.device("cpu"))
    packed.reset_adapter(seed=5)
    with torch.no_grad():
        for linear in packed.linears()[4:]:
            linear.lora_b.fill_(0.05)
    packed.refresh_adapter()
    rows = make_rows(1, 4, 30)
    plain = plain_peft(tiny_model, packed)
    plain_loss(plain, rows).backward()  # type: ignore[no-untyped-call]

    packed((build_tree(rows),), sum(len(row.answer_ids) for row in rows)).backward()

    assert_same_gradients(packed, plain, tolerance=1e-4)
    assert all(linear.lora_a.grad is None for linear in packed.linears()[:4])


def test_bf16_gradients_point_the_same_way(tiny_model: Path, make_rows: MakeRows, tmp_path: Path) -> None:
    """Given bf16 weights as in real runs, when a pack is computed, then gradients lie near those of fp32 PEFT."""
    model = Qwen2ForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)
    model.save_pretrained(tmp_path)
    packed = load_packed_model(tmp_path, SETTINGS, Elementwise(), torch.device("cpu"))
    randomise_adapter(packed)
    rows = make_rows(2, 3, 20)
    plain = plain_peft(tmp_path, packed)
    plain_loss(plain, rows).backward()  # type: ignore[no-untyped-call]
    parameters = dict(plain.named_parameters())

    loss = packed(tuple(build_tree(rows[start : start + 3]) for start in (0, 3)), sum(len(r.answer_ids) for r in rows))
    loss.backward()

    for name, linear, index in packed.projections():
        expected = parameters[f"base_model.model.{name}.lora_A.default.weight"].grad
        assert expected is not None
        assert linear.lora_a.grad is not None
        mine = linear.lora_a.grad[linear.ranks(index)]
        assert torch.nn.functional.cosine_similarity(mine.flatten(), expected.flatten(), dim=0) > 0.99, name
