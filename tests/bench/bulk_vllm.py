"""Answers the same prompts with vLLM's CPU backend and its prefix cache; run by the Python of its environment."""

import os
import time
from typing import Any

from vllm import LLM, __version__

from tests.bench.engines_timing import run_job
from tests.bench.engines_vllm import generator

_WARM_UP = tuple(range(1_000, 1_064))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Load the checkpoint, warm it up, and answer all prompts, handed over at once in the order given."""
    cores = sorted(os.sched_getaffinity(0))[: job["threads"]]
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, cores))
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "2"
    llm = LLM(
        job["vllm"], dtype="bfloat16", max_model_len=4096, max_num_seqs=job["rows"], max_num_batched_tokens=4096,
        enable_prefix_caching=True,
    )  # fmt: skip
    generate = generator(llm)
    generate([_WARM_UP], 4, ())
    started_s = time.perf_counter()
    texts = generate(job["prompts"], job["answer_tokens"], job["stops"])
    return {"seconds": time.perf_counter() - started_s, "texts": texts, "version": __version__}


if __name__ == "__main__":
    run_job(prepare)
