"""`python -m tests.bench.fidelity`: how far quantised inference strays from float32 on finance text, and its size.

KL is the mean over positions of KL(fp32 || variant) in nats on table and text contexts of TAT-QA dev. The 8-bit
variant without 16-bit down_proj inputs is simulated in transformers with the engine's own quantisation steps.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from tests.bench.report import print_line, print_table
from worker.engine.native import _native
from worker.engine.native.packed import PACKED_NAME, read_header

ROOT = Path(__file__).resolve().parents[2]
KL_LIMIT = 0.015
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


def quantise(x: torch.Tensor) -> torch.Tensor:
    """Return x rounded to int8 steps along its last axis."""
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-12) / 127
    return (x / scale).round() * scale


def simulate_int8(model: Any, activations: bool) -> None:
    """Round every linear layer's weights to int8 in place, and its inputs too where asked."""
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight.data = quantise(module.weight.data)
            if activations:
                module.register_forward_pre_hook(lambda _, inputs: (quantise(inputs[0]),))


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
    arguments = parser.parse_args()
    folder = arguments.model_dir
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = finance_texts(arguments.data, arguments.documents)
    samples = [tokenizer.encode(text).ids[: arguments.tokens] for text in texts]
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    parameters = sum(p.numel() for p in model.parameters())
    plain = transformers_logits(model)
    reference = [plain(ids) for ids in samples]
    native = native_logits(folder, arguments.tokens)
    results = {"int8, 16-bit down (native)": compare(reference, [native(ids) for ids in samples])}
    model.to(torch.bfloat16)
    results["bf16"] = compare(reference, [plain(ids) for ids in samples])
    # A fresh model, because the head shares its weights with the embeddings.
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    simulate_int8(model, activations=True)
    results["int8 (simulated)"] = compare(reference, list(map(transformers_logits(model), samples)))
    packed = (folder / PACKED_NAME).stat().st_size
    sizes = {
        "fp32": 4 * parameters,
        "bf16": 2 * parameters,
        "int8 (simulated)": packed,
        "int8, 16-bit down (native)": packed,
    }
    rows = [
        [name, size / 1e6, *results.get(name, (0.0, 1.0)), {"fp32": "reference"}.get(name, "")]
        for name, size in sizes.items()
    ]
    print_table(
        f"fidelity on {sum(map(len, samples))} tokens of finance text", ["variant", "MB", "KL", "top-1", ""], rows
    )
    kl = results["int8, 16-bit down (native)"][0]
    print_line(
        "fidelity",
        kl={name: value[0] for name, value in results.items()},
        top1={name: value[1] for name, value in results.items()},
        size_bytes=sizes,
        kl_limit=KL_LIMIT,
        within_limit=kl <= KL_LIMIT,
        tokens=sum(map(len, samples)),
        em=None,
        why={"em": "training.evaluate measures exact match: run it once with each engine"},
    )


if __name__ == "__main__":
    main()
