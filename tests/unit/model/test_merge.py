"""The torch-free merge equals PEFT's merge_and_unload, and refuses what it cannot merge."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.numpy import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

from common.errors import ModelFilesError
from tests.support.script_outputs import script_outputs
from tests.unit.model import tiny
from training.adapter import Adapter
from training.merge import merge_adapter, pass_through
from training.tensors import TensorFile, bf16_from_float32

# PEFT asks transformers by a name that the latter is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

PRINT_HASH_OF_MERGE = """
import sys
from pathlib import Path
from training.adapter import Adapter
from training.merge import merge_adapter
from training.tensors import TensorFile
folder = Path(sys.argv[1])
base = TensorFile.open(folder / "base.safetensors")
print(merge_adapter(base, Adapter.open(folder), folder / "merged", lambda _: None))
"""
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def _base_model(dtype: torch.dtype) -> Any:
    torch.manual_seed(0)
    config = Qwen2Config(**{name: value for name, value in tiny.CONFIG.items() if name != "architectures"})
    model: Any = Qwen2ForCausalLM(config)
    return model.to(torch.bfloat16).to(dtype)


def _saved_peft_merge(folder: Path, dtype: torch.dtype, **lora: Any) -> dict[str, torch.Tensor]:
    """Save base and adapter below folder and return PEFT's merged tensors."""
    _base_model(dtype).save_pretrained(folder / "base")
    settings: dict[str, Any] = {"r": 8, "lora_alpha": 16, "target_modules": ALL_LINEAR, **lora}
    peft_model = get_peft_model(_base_model(dtype), LoraConfig(**settings))
    torch.manual_seed(1)
    for name, parameter in peft_model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    peft_model.save_pretrained(str(folder / "adapter"))
    return dict(peft_model.merge_and_unload().state_dict())


def _merged(folder: Path) -> dict[str, npt.NDArray[np.uint16]]:
    base = TensorFile.open(folder / "base" / "model.safetensors")
    merge_adapter(base, Adapter.open(folder / "adapter"), folder / "merged.safetensors", lambda _: None)
    merged = TensorFile.open(folder / "merged.safetensors")
    return {name: np.concatenate(list(merged.bf16_chunks(name))) for name in merged.tensors}


def _bits(tensor: torch.Tensor) -> npt.NDArray[np.int32]:
    """Bit patterns as numbers that grow with the value, so that a difference of 1 is one unit in the last place."""
    bits = tensor.to(torch.bfloat16).view(torch.int16).numpy().astype(np.int32)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)


def _ordered(patterns: npt.NDArray[np.uint16]) -> npt.NDArray[np.int32]:
    bits = patterns.view(np.int16).astype(np.int32)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)


@pytest.mark.parametrize(
    "lora",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 4}, "alpha_pattern": {r"layers\.1\.mlp\.down_proj": 3}},
        {"target_modules": ["v_proj"]},
    ],
    ids=["plain", "rslora", "patterns", "one module"],
)
def test_merge_equals_peft_in_float32(tmp_path: Path, lora: dict[str, Any]) -> None:
    """Given a random tiny Qwen2 with an adapter, when both merge in float32, then the bfloat16 results are equal.

    float32 sums of the two libraries may differ in the last bit, so a rounding tie may fall to the neighbour.
    """
    expected = _saved_peft_merge(tmp_path, torch.float32, **lora)
    merged = _merged(tmp_path)
    assert merged.keys() == expected.keys() - {"lm_head.weight"}
    differences = np.concatenate([np.abs(_ordered(merged[name]) - _bits(expected[name])).ravel() for name in merged])
    assert np.mean(differences > 0) < 1e-4
    assert differences.max() <= 1


def test_merge_of_bf16_weights_is_nearer_the_exact_sum_than_pefts(tmp_path: Path) -> None:
    """Given bfloat16 weights, where PEFT rounds the delta first, then ours is within one rounding of the exact sum."""
    theirs = _saved_peft_merge(tmp_path, torch.bfloat16)
    merged = _merged(tmp_path)
    base = TensorFile.open(tmp_path / "base" / "model.safetensors")
    adapter = Adapter.open(tmp_path / "adapter")
    for module, pair in adapter.pairs.items():
        name = f"{module}.weight"
        a = adapter.file.float32(pair.a_name).astype(np.float64)
        b = adapter.file.float32(pair.b_name).astype(np.float64)
        exact = base.float32(name) + pair.scale * (b @ a)
        ours = (merged[name].astype(np.uint32) << 16).view(np.float32)
        peft = theirs[name].float().numpy()
        np.testing.assert_allclose(peft, ours, rtol=2**-7, atol=2**-9)
        np.testing.assert_allclose(ours, exact, rtol=2**-8 * 1.001)
        assert np.abs(ours - exact).mean() <= np.abs(peft - exact).mean()


def test_merged_model_answers_as_the_adapted_one(tmp_path: Path) -> None:
    """Given the merged file in a folder, when transformers loads it, then its logits are the adapted model's."""
    _saved_peft_merge(tmp_path, torch.float32)
    base = TensorFile.open(tmp_path / "base" / "model.safetensors")
    merge_adapter(base, Adapter.open(tmp_path / "adapter"), tmp_path / "merged.safetensors", lambda _: None)
    (tmp_path / "merged.safetensors").replace(tmp_path / "base" / "model.safetensors")
    merged = Qwen2ForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    adapted = get_peft_model(_base_model(torch.float32), LoraConfig.from_pretrained(str(tmp_path / "adapter")))
    adapted.load_adapter(str(tmp_path / "adapter"), "default")
    ids = torch.tensor([[5, 9, 77, 3]])
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, adapted(ids).logits, rtol=0.02, atol=0.02)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="OpenBLAS' kernels are chosen by their x86 names")
def test_the_merge_is_the_same_on_other_processors(tmp_path: Path) -> None:
    """Given a million weights, when merged by kernels that add in other orders, then the files are equal.

    In float32 they were not, so that two machines gave the same model two revisions.
    """
    random = np.random.default_rng(0)
    tiny.write_adapter(tmp_path, r=16, lora_alpha=32)
    factors = {"A": random.normal(0, 0.05, (16, 1024)), "B": random.normal(0, 0.05, (1024, 16))}
    save_file(
        {f"base_model.model.layer.lora_{name}.weight": factor.astype(np.float32) for name, factor in factors.items()},
        tmp_path / "adapter_model.safetensors",
    )
    save_file({"layer.weight": random.normal(0, 0.05, (1024, 1024)).astype(np.float32)}, tmp_path / "base.safetensors")
    hashes = script_outputs(PRINT_HASH_OF_MERGE, [str(tmp_path)], "OPENBLAS_CORETYPE", ("Nehalem", "Haswell"))
    assert len(hashes) == 1


def test_untouched_tensors_keep_their_bits(tmp_path: Path) -> None:
    """Given an adapter of two modules, when merged, then exactly these two tensors change."""
    folder = tiny.write_folder(tmp_path / "base")
    base = TensorFile.open(folder / "model.safetensors")
    merge_adapter(
        base, Adapter.open(tiny.write_adapter(tmp_path / "adapter")), tmp_path / "m.safetensors", lambda _: None
    )
    merged = TensorFile.open(tmp_path / "m.safetensors")
    changed = {
        name
        for name in base.tensors
        if not np.array_equal(np.concatenate(list(merged.bf16_chunks(name))), bf16_from_float32(base.float32(name)))
    }
    assert changed == {"model.layers.0.self_attn.q_proj.weight", "model.layers.1.mlp.down_proj.weight"}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"peft_type": "IA3"}, "type 'IA3'; only LORA"),
        ({"use_dora": True}, "use_dora=True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias='all'"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa_niter_4"),
        ({"r": 16}, "its rank is 16"),
    ],
)
def test_unsupported_adapters_are_refused_by_name(tmp_path: Path, option: dict[str, Any], words: str) -> None:
    """Given an adapter whose merge is something else than W + s B A, when opened, then the option is named."""
    with pytest.raises(ModelFilesError, match=words):
        Adapter.open(tiny.write_adapter(tmp_path, **option))


def test_pickled_or_missing_adapters_are_refused(tmp_path: Path) -> None:
    """Given no safetensors weights, or no config, when opened, then the missing file is named."""
    folder = tiny.write_adapter(tmp_path / "pickled")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelFilesError, match=r"no adapter_model\.safetensors; pickled"):
        Adapter.open(folder)
    with pytest.raises(ModelFilesError, match=r"no adapter_config\.json"):
        Adapter.open(tmp_path)


@pytest.mark.parametrize("module", ["model.layers.9.self_attn.q_proj", "lm_head", "model.layers.0.self_attn.extra"])
def test_unknown_modules_are_refused(tmp_path: Path, module: str) -> None:
    """Given an adapter of a module that the base lacks, when merged, then it is named and nothing is written."""
    base = TensorFile.open(tiny.write_folder(tmp_path / "base") / "model.safetensors")
    adapter = Adapter.open(tiny.write_adapter(tmp_path / "adapter", modules=(module,)))
    with pytest.raises(ModelFilesError, match=f"changes {module}"):
        merge_adapter(base, adapter, tmp_path / "m.safetensors", lambda _: None)
    assert not (tmp_path / "m.safetensors").exists()


def test_an_adapter_of_another_size_is_refused(tmp_path: Path) -> None:
    """Given factors for another hidden size, when merged, then both shapes are named."""
    wide = tiny.random_weights() | {"model.layers.0.self_attn.q_proj.weight": np.zeros((64, 32), np.float32)}
    base = TensorFile.open(tiny.write_folder(tmp_path / "base", weights=wide) / "model.safetensors")
    adapter = Adapter.open(tiny.write_adapter(tmp_path / "adapter"))
    with pytest.raises(ModelFilesError, match=r"\(64, 32\) here, but its factors make \(64, 64\)"):
        merge_adapter(base, adapter, tmp_path / "m.safetensors", lambda _: None)


def test_without_an_adapter_the_weights_are_linked_not_copied(tmp_path: Path) -> None:
    """Given no adapter, when passed through, then both names are one file."""
    (tmp_path / "a").write_bytes(b"weights")
    pass_through(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").samefile(tmp_path / "b")
