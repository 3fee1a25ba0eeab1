"""Runs llama.cpp as a peer through llama-cpp-python's low-level batches; needs a GGUF named by the job."""

import json
import sys
import time
from typing import Any

import llama_cpp  # type: ignore[import-not-found, unused-ignore]


class Session:
    """A context with one sequence a row."""

    def __init__(self, path: str, rows: int, threads: int) -> None:
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = 256 * rows, 2048, 512
        parameters.n_seq_max = rows
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def decode(self, entries: list[tuple[int, int, int, bool]]) -> list[int]:
        """Feed (token, position, row, wanted) and return the greedy next token of each wanted one."""
        batch = llama_cpp.llama_batch_init(len(entries), 0, 1)
        batch.n_tokens = len(entries)
        for index, (token, position, row, wanted) in enumerate(entries):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, position, 1
            batch.seq_id[index][0], batch.logits[index] = row, wanted
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        chosen = []
        for index, entry in enumerate(entries):
            if entry[3]:
                logits = llama_cpp.llama_get_logits_ith(self.context, index)
                chosen.append(max(range(0, self.vocabulary, 997), key=lambda token: logits[token]))
        llama_cpp.llama_batch_free(batch)
        return chosen

    def clear(self) -> None:
        """Forget every sequence."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)


def measure(session: Session, prompts: list[list[int]], tokens: int) -> tuple[float, float]:
    """Return (prefill seconds, decode seconds); the argmax is sampled thinly so that Python costs nothing."""
    session.clear()
    start_s = time.perf_counter()
    last = []
    for row, prompt in enumerate(prompts):
        last += session.decode([(token, i, row, i == len(prompt) - 1) for i, token in enumerate(prompt)])
    first_s = time.perf_counter()
    for step in range(tokens - 1):
        last = session.decode([(token, len(prompts[row]) + step, row, True) for row, token in enumerate(last)])
    return first_s - start_s, time.perf_counter() - first_s


def main() -> None:
    """Read the job from standard input and print decode and prefill speed."""
    job = json.load(sys.stdin)
    start_s = time.perf_counter()
    session = Session(job["gguf"], max(job["batches"]), job["threads"])
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "decode": {}}
    for batch in job["batches"]:
        rounds = [measure(session, job["prompts"][:batch], job["new_tokens"]) for _ in range(2)]
        result["decode"][str(batch)] = batch * (job["new_tokens"] - 1) / min(each[1] for each in rounds)
        result["prefill"] = sum(map(len, job["prompts"][:batch])) / min(each[0] for each in rounds)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
