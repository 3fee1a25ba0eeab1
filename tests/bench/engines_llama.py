"""Runs llama.cpp as a peer through its bindings' low-level batches, on a GGUF that the job names.

Prompts are fed in batches of 2,048 tokens, one context a batch size, so that no row pays for another's place.
"""

import time
from collections.abc import Sequence
from typing import Any

import llama_cpp
import numpy as np

from tests.bench.engines_timing import measure, run_job

_BATCH_TOKENS, _MICRO_BATCH_TOKENS = 2048, 512
_CONTEXT_STEP_TOKENS = 256

Entry = tuple[int, int, int, bool]


class Model:
    """A loaded GGUF, with a context for each batch size it has met."""

    def __init__(self, path: str, threads: int, row_tokens: int) -> None:
        llama_cpp.llama_backend_init()
        self.handle = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.handle:
            raise RuntimeError(f"llama.cpp could not load {path}")
        self.threads, self.row_tokens = threads, row_tokens
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.handle))
        self.sessions: dict[int, Session] = {}

    def session(self, rows: int) -> "Session":
        """Return an empty context for so many rows."""
        if rows not in self.sessions:
            self.sessions[rows] = Session(self, rows)
        self.sessions[rows].clear()
        return self.sessions[rows]

    def generate(self, prompts: Sequence[Sequence[int]], tokens: int, stops: Sequence[int]) -> list[list[int]]:
        """Generate greedily; a row that met a stop token is not fed again."""
        session = self.session(len(prompts))
        texts = [[token] for token in session.prefill(prompts)]
        for step in range(tokens - 1):
            rows = [row for row, text in enumerate(texts) if text[-1] not in stops]
            if not rows:
                break
            entries = [(texts[row][-1], len(prompts[row]) + step, row, True) for row in rows]
            for row, token in zip(rows, session.decode(entries), strict=True):
                texts[row].append(token)
        return texts


class Session:
    """A context with one sequence a row."""

    def __init__(self, model: Model, rows: int) -> None:
        self.vocabulary = model.vocabulary
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = rows * -(-model.row_tokens // _CONTEXT_STEP_TOKENS) * _CONTEXT_STEP_TOKENS
        parameters.n_batch, parameters.n_ubatch = _BATCH_TOKENS, _MICRO_BATCH_TOKENS
        parameters.n_seq_max = rows
        parameters.n_threads = parameters.n_threads_batch = model.threads
        self.context = llama_cpp.llama_init_from_model(model.handle, parameters)
        self.batch = llama_cpp.llama_batch_init(_BATCH_TOKENS, 0, 1)

    def prefill(self, prompts: Sequence[Sequence[int]]) -> list[int]:
        """Feed all prompts and return the first greedy token of each."""
        entries = [
            (token, position, row, position == len(prompt) - 1)
            for row, prompt in enumerate(prompts)
            for position, token in enumerate(prompt)
        ]
        pieces = (entries[first : first + _BATCH_TOKENS] for first in range(0, len(entries), _BATCH_TOKENS))
        return [token for piece in pieces for token in self.decode(piece)]

    def decode(self, entries: Sequence[Entry]) -> list[int]:
        """Feed (token, position, row, wanted) and return the greedy next token of each wanted one."""
        batch = self.batch
        batch.n_tokens = len(entries)
        for index, (token, position, row, wanted) in enumerate(entries):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, position, 1
            batch.seq_id[index][0], batch.logits[index] = row, wanted
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        count = sum(entry[3] for entry in entries)
        if count == 0:
            return []
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(self.context), shape=(count, self.vocabulary))
        return [int(token) for token in logits.argmax(axis=1)]

    def clear(self) -> None:
        """Forget every row."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Load the model and measure it; the library has no prompt lookup."""
    start_s = time.perf_counter()
    model = Model(job["gguf"], job["threads"], max(map(len, job["prompts"])) + job["new_tokens"])
    result: dict[str, Any] = {"load_s": time.perf_counter() - start_s, "version": llama_cpp.__version__}
    return result | measure(model.generate, job)


if __name__ == "__main__":
    run_job(prepare)
