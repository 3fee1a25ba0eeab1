"""Runs vLLM's CPU backend as a peer on a W8A8 checkpoint.

compressed-tensors leaves lm_head out of the int8 weights, which costs vLLM about 5 ms a step at batch 1 to 32.
"""

import json
import sys
import time
from typing import Any

from vllm import LLM, SamplingParams  # type: ignore[import-not-found, unused-ignore]


def generate_s(llm: Any, prompts: list[list[int]], tokens: int) -> float:
    """Return the seconds of one greedy generation."""
    parameters = SamplingParams(temperature=0, max_tokens=tokens, min_tokens=tokens, ignore_eos=True)
    start_s = time.perf_counter()
    llm.generate([{"prompt_token_ids": prompt} for prompt in prompts], parameters, use_tqdm=False)
    return time.perf_counter() - start_s


def main() -> None:
    """Read the job from standard input and print decode and prefill speed."""
    job = json.load(sys.stdin)
    start_s = time.perf_counter()
    llm = LLM(job["vllm"], max_model_len=2048, max_num_seqs=32, enable_prefix_caching=False)
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "decode": {}}
    for batch in job["batches"]:
        first_s = min(generate_s(llm, job["prompts"][:batch], 1) for _ in range(2))
        whole_s = min(generate_s(llm, job["prompts"][:batch], job["new_tokens"]) for _ in range(2))
        result["decode"][str(batch)] = batch * (job["new_tokens"] - 1) / max(whole_s - first_s, 1e-6)
        result["prefill"] = sum(map(len, job["prompts"][:batch])) / first_s
    print(json.dumps(result))


if __name__ == "__main__":
    main()
