"""A llama.cpp model with one context for all rows: tokens in, logits of the wanted ones out."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.errors import ConfigurationError, EngineError, ModelFilesError
from worker.engine.numpy_sampling import Floats

BATCH_TOKENS = 512
F16_BYTES = 2


class Entry(NamedTuple):
    """One token to feed: its place in its row, the row's slot, and whether its logits are wanted."""

    token: int
    position: int
    slot: int
    wanted: bool


class Context:
    """Owns the C objects.

    `cache_tokens` is what the cache holds over all rows, `trained_tokens` the model's longest row. Raises
    ModelFilesError where the file cannot be loaded, ConfigurationError where the context cannot be made.
    """

    def __init__(self, library: Any, path: Path, rows: int, cache_bytes: int, threads: int) -> None:
        self._library = library
        library.llama_backend_init()
        self._model = library.llama_model_load_from_file(str(path).encode(), library.llama_model_default_params())
        if not self._model:
            raise ModelFilesError(f"llama.cpp cannot load {path}. Run `python -m training.export llamacpp` again.")
        self.vocabulary: int = library.llama_vocab_n_tokens(library.llama_model_get_vocab(self._model))
        self.trained_tokens: int = library.llama_model_n_ctx_train(self._model)
        self.cache_tokens = max(1, min(cache_bytes // self._bytes_per_token(), rows * self.trained_tokens))
        parameters = library.llama_context_default_params()
        parameters.n_ctx = self.cache_tokens
        parameters.n_batch = parameters.n_ubatch = BATCH_TOKENS
        parameters.n_seq_max = rows
        parameters.kv_unified = True  # one cache for all rows, not an equal share for each
        parameters.n_threads = parameters.n_threads_batch = threads
        self._context = library.llama_init_from_model(self._model, parameters)
        if not self._context:
            raise ConfigurationError(f"llama.cpp has no room for a cache of {self.cache_tokens} tokens.")
        self._batch = library.llama_batch_init(BATCH_TOKENS, 0, 1)

    def decode(self, entries: list[Entry]) -> list[Floats]:
        """Feed tokens and return the logits (vocabulary,) of the wanted ones in order; raises EngineError."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for index, entry in enumerate(entries):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = entry.token, entry.position, 1
            batch.seq_id[index][0], batch.logits[index] = entry.slot, entry.wanted
        code = self._library.llama_decode(self._context, batch)
        if code != 0:
            raise EngineError(f"llama.cpp could not compute {len(entries)} tokens: llama_decode returned {code}.")
        wanted = [index for index, entry in enumerate(entries) if entry.wanted]
        return [self._logits(index) for index in wanted]

    def forget(self, slot: int, kept: int) -> None:
        """Drop what a row has in the cache behind its first `kept` tokens."""
        memory = self._library.llama_get_memory(self._context)
        self._library.llama_memory_seq_rm(memory, slot, kept, -1)

    def close(self) -> None:
        """Free the C objects."""
        self._library.llama_batch_free(self._batch)
        self._library.llama_free(self._context)
        self._library.llama_model_free(self._model)

    def _logits(self, index: int) -> Floats:
        pointer = self._library.llama_get_logits_ith(self._context, index)
        # The library overwrites them in the next step.
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary,)).astype(np.float32, copy=True)

    def _bytes_per_token(self) -> int:
        library, model = self._library, self._model
        head_width = library.llama_model_n_embd(model) // library.llama_model_n_head(model)
        width: int = 2 * library.llama_model_n_head_kv(model) * head_width
        layers: int = library.llama_model_n_layer(model)
        return width * layers * F16_BYTES
