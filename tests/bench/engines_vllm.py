"""Runs vLLM's CPU backend as a peer on a W8A8 checkpoint: compiled model, pinned threads, no prefix cache.

Where the checkpoint leaves lm_head out of the int8 weights, that costs vLLM about 5 ms a step at batch 1 to 32.
"""

import os
import time
from collections.abc import Sequence
from typing import Any

from vllm import LLM, SamplingParams, __version__

from tests.bench.engines_timing import Generate, extractive, measure, run_job

_LOOKUP = {"method": "ngram", "num_speculative_tokens": 8, "prompt_lookup_max": 3, "prompt_lookup_min": 2}


def generator(llm: Any) -> Generate:
    """Return the engine as a function."""

    def generate(prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]) -> list[list[int]]:
        parameters = SamplingParams(
            temperature=0, max_tokens=tokens, ignore_eos=True, stop_token_ids=list(stops), detokenize=False
        )
        outputs = llm.generate([{"prompt_token_ids": list(p)} for p in prompts], parameters, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    return generate


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Load the checkpoint and measure; with `lookup` only the quoted prompts, with its n-gram speculation."""
    cores = sorted(os.sched_getaffinity(0))[: job["threads"]]
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "2"
    start_s = time.perf_counter()
    llm = LLM(
        job["vllm"], dtype="bfloat16", max_model_len=2048, max_num_seqs=max(job["batches"]),
        max_num_batched_tokens=4096, enable_prefix_caching=False, speculative_config=_LOOKUP if job["lookup"] else None,
    )  # fmt: skip
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "version": __version__}
    if job["lookup"]:
        return result | {"extractive": extractive(generator(llm), job)}
    return result | measure(generator(llm), job)


if __name__ == "__main__":
    run_job(prepare)
