"""Runs transformers as a peer: greedy generation with a static batch of equal prompts."""

import time
from collections.abc import Sequence
from typing import Any

import torch
import transformers

from tests.bench.engines_timing import Generate, extractive, measure, run_job

_GUESSED_TOKENS = 10


def generator(model: Any, guessed_tokens: int | None) -> Generate:
    """Return the model as a function; without stop tokens no token ends a text."""

    def generate(prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]) -> list[list[int]]:
        ids = torch.tensor(prompts)
        ends = {"eos_token_id": list(stops)} if stops else {"min_new_tokens": tokens}
        with torch.inference_mode():
            output = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens, pad_token_id=0,
                prompt_lookup_num_tokens=guessed_tokens, **ends,
            )  # fmt: skip
        texts: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return texts

    return generate


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Load the model and measure it, on quoted prompts with prompt lookup where the job asks for them."""
    torch.set_num_threads(job["threads"])
    start_s = time.perf_counter()
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(job["model_dir"], dtype=getattr(torch, job["dtype"]))
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "version": transformers.__version__}
    result |= measure(generator(model, None), job)
    if job["lookup"]:
        result["extractive"] = extractive(generator(model, _GUESSED_TOKENS), job)
    return result


if __name__ == "__main__":
    run_job(prepare)
