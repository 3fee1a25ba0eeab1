"""Training speed beside a plain PEFT loop on the same rows: `python -m tests.bench.training --data train.jsonl`.

Both sides take turns step by step, so that a machine whose load changes treats them alike, and both compute in the
number format that is faster on this machine. Tokens are what the rows hold (prompt and answer), whatever each computes.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from rich.console import Console
from transformers import Qwen2ForCausalLM

from common.cpu_quota import usable_cpus
from common.model_files import TOKENIZER_NAME
from common.settings import get_settings
from common.tokens import ChatTokenizer
from tests.bench.report import print_line, print_table
from training.batches import StepPlan
from training.examples import Example, read_examples
from training.lora import choose_device, choose_elementwise
from training.packed_model import ATTENTION, MLP, load_packed_model
from training.precision import Precision, choose_precision
from training.recipe import Recipe, load_recipe

# With all logits kept, four rows of 1,000 tokens in float32 are more than 24 GiB can hold.
PLAIN_BATCH_ROWS = {Precision.BFLOAT16: 4, Precision.FLOAT32: 2}
IGNORED = -100


class PackedLoop:
    """Training as the product does it."""

    def __init__(
        self, recipe: Recipe, folder: Path, device: torch.device, precision: Precision, plan: StepPlan
    ) -> None:
        elementwise = choose_elementwise(recipe, device, Console(stderr=True))
        self._model = load_packed_model(folder, recipe.adapter, elementwise, device, precision.dtype)
        self._model.reset_adapter(recipe.seed)
        self._parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=recipe.optimizer.learning_rate, fused=True)
        self._plan = plan
        self.computed_tokens = 0

    def step(self, step: list[list[list[int]]]) -> None:
        """Run one optimiser step."""
        packs = self._plan.build(step)
        answer_tokens = sum(len(tree.label_ids) for pack in packs for tree in pack)
        for pack in packs:
            self._model(pack, answer_tokens).backward()
            self.computed_tokens += sum(tree.tokens for tree in pack)
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._model.refresh_adapter()


class PlainLoop:
    """What transformers and PEFT do out of the box: padded batches, labels of -100 on prompts, all logits."""

    def __init__(
        self, recipe: Recipe, folder: Path, device: torch.device, precision: Precision, examples: list[Example]
    ) -> None:
        base = Qwen2ForCausalLM.from_pretrained(folder, dtype=precision.dtype, attn_implementation="sdpa")
        config = LoraConfig(
            r=recipe.adapter.rank,
            lora_alpha=recipe.adapter.alpha,
            target_modules=[*ATTENTION, "o_proj", *MLP, "down_proj"],
            task_type="CAUSAL_LM",
        )
        self._model: PeftModel = get_peft_model(base, config).to(device)
        self._parameters = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(self._parameters, lr=recipe.optimizer.learning_rate, fused=True)
        self._examples = examples
        self._device = device
        self._batch_rows = PLAIN_BATCH_ROWS[precision]

    def step(self, step: list[list[list[int]]]) -> None:
        """Run one optimiser step over the same rows, a few at a time."""
        rows = [self._examples[row] for pack in step for tree in pack for row in tree]
        for start in range(0, len(rows), self._batch_rows):
            part = rows[start : start + self._batch_rows]
            ids, mask, labels = (tensor.to(self._device) for tensor in _padded(part))
            loss = self._model(input_ids=ids, attention_mask=mask, labels=labels).loss
            (loss * len(part) / len(rows)).backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)


def main() -> None:
    """Measure both loops and print the table and the machine line."""
    arguments = _arguments()
    torch.set_num_threads(usable_cpus())
    device = choose_device(arguments.device)
    recipe = load_recipe(arguments.recipe)
    tokenizer = ChatTokenizer.from_file(arguments.model / TOKENIZER_NAME)
    examples = read_examples(arguments.data, tokenizer, recipe.packing.max_row_tokens).examples
    plan = StepPlan(examples, recipe.packing, recipe.seed)
    warm_up, *measured = plan.steps(0)[: arguments.steps + 1]
    precision = choose_precision(device)
    packed = PackedLoop(recipe, arguments.model, device, precision, plan)
    plain = PlainLoop(recipe, arguments.model, device, precision, examples)
    seconds = {"packed": 0.0, "plain": 0.0}
    sides: dict[str, Callable[[list[list[list[int]]]], None]] = {"packed": packed.step, "plain": plain.step}
    progress = Console(stderr=True)
    for name, run in sides.items():
        progress.print(f"warm-up of {name}: {_timed(run, warm_up, device):.1f} s", highlight=False)
    packed.computed_tokens = 0
    for number, step in enumerate(measured, start=1):
        for name, run in sides.items():
            seconds[name] += _timed(run, step, device)
        spent = ", ".join(f"{name} {total_s:.1f} s" for name, total_s in seconds.items())
        progress.print(f"step {number} of {len(measured)}: {spent}", highlight=False)
    rows = [row for step in measured for pack in step for tree in pack for row in tree]
    tokens = sum(examples[row].tokens for row in rows)
    rates = {name: tokens / spent for name, spent in seconds.items()}
    computed = packed.computed_tokens
    print_table(
        f"LoRA training, {tokens:,} tokens of {len(rows)} rows",
        ("loop", "tokens/s", "seconds"),
        [(name, rates[name], seconds[name]) for name in sides],
    )
    print_line(
        "training",
        tokens_per_second=round(rates["packed"], 1),
        plain_peft_ratio=round(rates["packed"] / rates["plain"], 2),
        plain_peft_tokens_per_second=round(rates["plain"], 1),
        computed_tokens_per_second=round(computed / seconds["packed"], 1),
        sharing_ratio=round(tokens / computed, 2),
        example_tokens=tokens,
        steps=len(measured),
        device=device.type,
        precision=precision,
    )


def _timed(run: Callable[[list[list[list[int]]]], None], step: list[list[list[int]]], device: torch.device) -> float:
    started_s = time.perf_counter()
    run(step)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started_s


def _padded(rows: list[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    length = max(row.tokens for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    labels = torch.full((len(rows), length), IGNORED)
    for index, row in enumerate(rows):
        ids[index, : row.tokens] = torch.cat([torch.from_numpy(row.prompt_ids), torch.from_numpy(row.answer_ids)])
        mask[index, : row.tokens] = 1
        labels[index, len(row.prompt_ids) : row.tokens] = torch.from_numpy(row.answer_ids)
    return ids, mask, labels


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.training", description=__doc__.partition("\n")[0])
    default_model = get_settings().model_path
    parser.add_argument("--data", type=Path, required=True, help="curated rows (python -m training.curate)")
    parser.add_argument("--model", type=Path, default=default_model, help=f"base model folder ({default_model})")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--steps", type=int, default=6, help="measured optimiser steps")
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


if __name__ == "__main__":
    main()
