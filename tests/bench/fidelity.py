"""`python -m tests.bench.fidelity`: how far quantised inference strays from float32 on finance text, and its size.

KL is the mean over positions of KL(fp32 || variant) in nats on table and text contexts of TAT-QA dev. The 8-bit
variants with other inputs of down_proj than the engine's are simulated in transformers with its quantisation steps.
With --questions, exact match on TAT-QA dev is measured for each variant too, and for those that are no simulation the
answer tokens a second: transformers answers in its batches, the engine in its own.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from tests.bench.fidelity_answers import Answered, ModelGenerator, NativeGenerator, answered, dev_questions
from tests.bench.report import print_line, print_table
from training.generators import Generator
from training.precision import Precision, faster_on_cpu
from worker.engine.native import _native
from worker.engine.native.packed import PACKED_NAME, read_header

ROOT = Path(__file__).resolve().parents[2]
KL_LIMIT = 0.015
EM_LIMIT_POINTS = 0.5
FP32, BF16 = "fp32", "bf16"
SIMULATED_NOTE = "rounded to bf16 after each module of a float32 model, as this processor multiplies float32 faster"
INT8, INT8_DOWN16 = "int8 (simulated)", "int8, 16-bit down (simulated)"
NATIVE = "int8, down's outliers apart (native)"
CHUNK = 256


def finance_texts(data: Path, count: int) -> list[str]:
    """Return contexts of TAT-QA dev: a table as lines and the paragraphs around it."""
    documents = json.loads((data / "tatqa" / "dev.json").read_text(encoding="utf-8"))[:count]
    texts = []
    for document in documents:
        table = "\n".join(" | ".join(row) for row in document["table"]["table"])
        texts.append(table + "\n" + "\n".join(paragraph["text"] for paragraph in document["paragraphs"]))
    return texts


def native_logits(model_dir: Path, tokens: int) -> Callable[[list[int]], torch.Tensor]:
    """Return a function from token ids to the native engine's logits, float32 [tokens, vocabulary]."""
    header = read_header(model_dir / PACKED_NAME)
    model = _native.load_model(str(model_dir / PACKED_NAME), header.config.numbers(), header.locations())
    blocks = list(range(-(-tokens // 32)))
    forward = _native.Forward(model, _native.supported_isas()[0], CHUNK, tokens, len(blocks), 2)

    def logits(ids: list[int]) -> torch.Tensor:
        parts = []
        for first in range(0, len(ids), CHUNK):
            piece = ids[first : first + CHUNK]
            forward.step([(piece, first, blocks, len(piece), 0.0, 1.0, 0, 0, 0, False)], True)
            parts.append(torch.from_numpy(forward.last_logits()))
        return torch.cat(parts)

    return logits


def quantise(x: torch.Tensor, steps: int = 127) -> torch.Tensor:
    """Return x rounded along its last axis to so many steps on either side of zero."""
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-12) / steps
    return (x / scale).round() * scale


def simulate_int8(model: Any, down_steps: int) -> None:
    """Round every linear layer's weights to int8 in place, and its inputs; those of down_proj to `down_steps`."""

    def rounds_to(steps: int) -> Callable[[Any, tuple[torch.Tensor]], tuple[torch.Tensor]]:
        return lambda _, inputs: (quantise(inputs[0], steps),)

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data = quantise(module.weight.data)
            module.register_forward_pre_hook(rounds_to(down_steps if name.endswith("down_proj") else 127))


def simulate_bf16(model: Any) -> None:
    """Round a float32 model's parameters to bf16 in place, and what each of its modules returns.

    A bf16 product adds up in float32 and rounds its result, so this is the same but for sums within a layer.
    """
    for parameter in model.parameters():
        parameter.data = rounded_to_bf16(parameter.data)
    for module in model.modules():
        module.register_forward_hook(lambda _module, _inputs, output: rounded_to_bf16(output))


def rounded_to_bf16(value: Any) -> Any:
    """Return a float32 tensor with bf16's mantissa, or each of a tuple's tensors; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(rounded_to_bf16, value))
    is_float = isinstance(value, torch.Tensor) and value.dtype is torch.float32
    return value.to(torch.bfloat16).float() if is_float else value


def transformers_logits(model: Any) -> Callable[[list[int]], torch.Tensor]:
    """Return a function from token ids to a transformers model's logits."""

    def logits(ids: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            result: torch.Tensor = model(torch.tensor([ids])).logits[0].float()
        return result

    return logits


def compare(reference: list[torch.Tensor], other: list[torch.Tensor]) -> tuple[float, float]:
    """Return (mean KL in nats, share of positions with the same best token)."""
    divergence = same = count = 0.0
    for wanted, actual in zip(reference, other, strict=True):
        log_p, log_q = wanted.log_softmax(-1), actual.log_softmax(-1)
        divergence += float((log_p.exp() * (log_p - log_q)).sum())
        same += float((wanted.argmax(-1) == actual.argmax(-1)).sum())
        count += len(wanted)
    return divergence / count, same / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-dir", type=Path, default=ROOT / ".financellm" / "model")
    parser.add_argument("--data", type=Path, required=True, help="folder with tatqa/dev.json")
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=384, help="tokens of each document")
    parser.add_argument("--questions", type=int, default=0, help="questions whose exact match is measured; 0: none")
    arguments = parser.parse_args()
    folder = arguments.model_dir
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = finance_texts(arguments.data, arguments.documents)
    samples = [tokenizer.encode(text).ids[: arguments.tokens] for text in texts]
    questions = dev_questions(arguments.data, arguments.questions) if arguments.questions else []
    found: dict[str, Answered] = {}

    def answer(name: str, answers: Callable[[], Generator]) -> None:
        if questions:
            found[name] = answered(answers(), questions)

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    parameters = sum(p.numel() for p in model.parameters())
    plain = transformers_logits(model)
    reference = [plain(ids) for ids in samples]
    answer(FP32, lambda: ModelGenerator(folder, model))
    native = native_logits(folder, arguments.tokens)
    results = {FP32: (0.0, 1.0), NATIVE: compare(reference, [native(ids) for ids in samples])}
    answer(NATIVE, lambda: NativeGenerator(folder))
    # A processor that only emulates bf16 products takes a hundred times as long.
    is_simulated = faster_on_cpu() is Precision.FLOAT32
    if is_simulated:
        simulate_bf16(model)
    else:
        model.to(torch.bfloat16)
    results[BF16] = compare(reference, [plain(ids) for ids in samples])
    answer(BF16, lambda: ModelGenerator(folder, model))
    for name, down_steps in ((INT8, 127), (INT8_DOWN16, 127 * 254 + 126)):
        # A fresh model, because the head shares its weights with the embeddings.
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        simulate_int8(model, down_steps)
        results[name] = compare(reference, list(map(transformers_logits(model), samples)))
        answer(name, partial(ModelGenerator, folder, model))
    packed = (folder / PACKED_NAME).stat().st_size
    sizes = {FP32: 4 * parameters, BF16: 2 * parameters, INT8: packed, INT8_DOWN16: packed, NATIVE: packed}
    notes = {BF16: SIMULATED_NOTE} if is_simulated else {}
    report(results, found, sizes, sum(map(len, samples)), len(questions), notes)


def report(
    results: dict[str, tuple[float, float]],
    answers: dict[str, Answered],
    sizes: dict[str, int],
    tokens: int,
    questions: int,
    notes: dict[str, str],
) -> None:
    """Print the table and the machine line with what was promised of it."""
    exact = {name: found.exact_match for name, found in answers.items()}
    simulated = {INT8, INT8_DOWN16, *notes}
    speeds = {name: found.tokens_per_second for name, found in answers.items() if name not in simulated}
    rows = [
        [name, size / 1e6, *results[name], exact.get(name, "-"), speeds.get(name, "-")] for name, size in sizes.items()
    ]
    print_table(
        f"fidelity on {tokens} tokens of finance text, exact match on {questions} questions of TAT-QA dev",
        ["variant", "MB", "KL", "top-1", "EM", "tokens/s"],
        rows,
    )
    for name, note in notes.items():
        print(f"{name}: {note}")
    points = exact[NATIVE] - exact[BF16] if exact else None
    print_line(
        "fidelity",
        kl={name: value[0] for name, value in results.items()},
        top1={name: value[1] for name, value in results.items()},
        size_bytes=sizes,
        kl_limit=KL_LIMIT,
        within_limit=results[NATIVE][0] <= KL_LIMIT,
        tokens=tokens,
        em=exact or None,
        answer_tokens_per_second=speeds or None,
        em_points_from_bf16=points,
        em_limit_points=EM_LIMIT_POINTS,
        em_within_limit=None if points is None else points >= -EM_LIMIT_POINTS,
        questions=questions,
        notes=notes,
        why={} if exact else {"em": "no questions were asked for: give --questions"},
    )


if __name__ == "__main__":
    main()
