"""Runs OpenVINO GenAI as a peer: continuous batching over an exported model, at the precision the job names."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino_genai as genai

from tests.bench.engines_timing import Generate, extractive, measure, run_job

_GUESSED_TOKENS, _NGRAM_TOKENS = 8, 3


def generator(pipe: Any, lookup: bool) -> Generate:
    """Return the pipeline as a function."""

    def generate(prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]) -> list[list[int]]:
        config = genai.GenerationConfig(max_new_tokens=tokens, do_sample=False, ignore_eos=not stops)
        config.stop_token_ids = set(stops)
        if lookup:
            config.num_assistant_tokens, config.max_ngram_size = _GUESSED_TOKENS, _NGRAM_TOKENS
        tensors = [ov.Tensor(np.array([prompt], dtype=np.int64)) for prompt in prompts]
        results = pipe.generate(tensors, [config] * len(prompts))
        return [list(result.m_generation_ids[0]) for result in results]

    return generate


def pipeline(job: dict[str, Any], lookup: bool) -> Any:
    """Load the model with as many threads as the native engine uses."""
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size, scheduler.max_num_batched_tokens, scheduler.enable_prefix_caching = 1, 2048, False
    properties = {"INFERENCE_NUM_THREADS": job["threads"], "INFERENCE_PRECISION_HINT": job["precision"]}
    if lookup:
        properties["prompt_lookup"] = True
    return genai.ContinuousBatchingPipeline(job["openvino"], scheduler, "CPU", properties)


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Load the model and measure it, on quoted prompts with prompt lookup where the job asks for them."""
    start_s = time.perf_counter()
    pipe = pipeline(job, lookup=False)
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "version": genai.__version__}
    result |= measure(generator(pipe, lookup=False), job)
    if job["lookup"]:
        del pipe
        result["extractive"] = extractive(generator(pipeline(job, lookup=True), lookup=True), job)
    return result


if __name__ == "__main__":
    run_job(prepare)
