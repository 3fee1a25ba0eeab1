"""Runs transformers as a peer: greedy generation with a static batch of equal prompts."""

import json
import sys
import time
from typing import Any

import torch
from transformers import AutoModelForCausalLM


def generate_s(model: Any, prompts: list[list[int]], tokens: int) -> float:
    """Return the seconds of one greedy generation."""
    ids = torch.tensor(prompts)
    start_s = time.perf_counter()
    model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=tokens, max_new_tokens=tokens,
        pad_token_id=0,
    )  # fmt: skip
    return time.perf_counter() - start_s


def main() -> None:
    """Read the job from standard input and print decode and prefill speed."""
    job = json.load(sys.stdin)
    start_s = time.perf_counter()
    model: Any = AutoModelForCausalLM.from_pretrained(job["model_dir"], dtype=getattr(torch, job["dtype"]))
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "decode": {}}
    with torch.inference_mode():
        for batch in job["batches"]:
            first_s = generate_s(model, job["prompts"][:batch], 1)
            whole_s = generate_s(model, job["prompts"][:batch], job["new_tokens"])
            result["decode"][str(batch)] = batch * (job["new_tokens"] - 1) / max(whole_s - first_s, 1e-6)
        first_s = generate_s(model, job["prompts"], 1)
        result["prefill"] = sum(map(len, job["prompts"])) / first_s
    print(json.dumps(result))


if __name__ == "__main__":
    main()
