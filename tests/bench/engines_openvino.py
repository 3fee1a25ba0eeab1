"""Runs OpenVINO GenAI as a peer: continuous batching over an exported int8 or int4 model."""

import json
import sys
import time
from typing import Any

import numpy as np
import openvino as ov  # type: ignore[import-not-found, unused-ignore]
import openvino_genai as genai  # type: ignore[import-not-found, unused-ignore]


def generate_s(pipe: Any, prompts: list[list[int]], tokens: int) -> float:
    """Return the seconds of one greedy generation."""
    config = genai.GenerationConfig(max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, ignore_eos=True)
    tensors = [ov.Tensor(np.array([prompt], dtype=np.int64)) for prompt in prompts]
    start_s = time.perf_counter()
    pipe.generate(tensors, [config] * len(prompts))
    return time.perf_counter() - start_s


def main() -> None:
    """Read the job from standard input and print decode and prefill speed."""
    job = json.load(sys.stdin)
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size, scheduler.max_num_batched_tokens, scheduler.enable_prefix_caching = 1, 2048, False
    start_s = time.perf_counter()
    properties = {"INFERENCE_NUM_THREADS": job["threads"], "INFERENCE_PRECISION_HINT": "f32"}
    pipe = genai.ContinuousBatchingPipeline(job["openvino"], scheduler, "CPU", properties)
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "decode": {}}
    for batch in job["batches"]:
        first_s = min(generate_s(pipe, job["prompts"][:batch], 1) for _ in range(2))
        whole_s = min(generate_s(pipe, job["prompts"][:batch], job["new_tokens"]) for _ in range(2))
        result["decode"][str(batch)] = batch * (job["new_tokens"] - 1) / max(whole_s - first_s, 1e-6)
        result["prefill"] = sum(map(len, job["prompts"][:batch])) / first_s
    print(json.dumps(result))


if __name__ == "__main__":
    main()
