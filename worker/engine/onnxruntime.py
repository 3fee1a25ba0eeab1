"""ONNX Runtime GenAI behind the engine contract: a generator a row, each advanced by one token a step.

Rows share weights but not steps, so this engine gains nothing from batching; it is there for machines that already
run ONNX models. Tokens are chosen here rather than by the library, so seeds and log probabilities mean what they mean
on every other engine.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import EngineError, ModelFilesError
from common.model_files import CONFIG_NAME
from worker.engine.base import EngineCapabilities, EngineRequest, FinishReason, TokenEvent
from worker.engine.numpy_sampling import Floats, choose, generator_for, logprob
from worker.engine.optional import exported, import_for
from worker.engine.requests import check_request, finish_reason

FOLDER_NAME = "onnxruntime"


@dataclass(slots=True, eq=False)
class _Row:
    number: int
    request: EngineRequest
    chance: np.random.Generator | None
    generator: Any = None
    made: int = 0
    last_token: int = 0


class OnnxEngine:
    """Implements `worker.engine.base.Engine`; a row computes alone, so its tokens do not depend on others.

    Raises ConfigurationError without onnxruntime-genai, ModelFilesError where the exported model cannot be used.
    """

    def __init__(self, model_dir: Path, max_rows: int, max_row_tokens: int) -> None:
        self._library = import_for("onnxruntime", "onnxruntime_genai")
        folder = exported("onnxruntime", model_dir / FOLDER_NAME)
        config = json.loads((model_dir / CONFIG_NAME).read_text("utf-8"))
        try:
            self._model = self._library.Model(str(folder))
        except Exception as error:
            raise ModelFilesError(f"ONNX Runtime cannot load {folder}: {error}") from error
        self._vocabulary = int(config["vocab_size"])
        self._capabilities = EngineCapabilities(
            name="onnxruntime",
            max_rows=max_rows,
            max_row_tokens=min(max_row_tokens, int(config["max_position_embeddings"])),
            batch_invariant=True,
            sampling=True,
            logprobs=True,
            prefix_cache=False,
            speculation=False,
        )
        self._waiting: list[_Row] = []
        self._running: list[_Row] = []
        self._next_number = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this engine can do."""
        return self._capabilities

    def add(self, request: EngineRequest) -> int:
        """Queue a row; raises RequestError where it can never run."""
        check_request(request, self._capabilities.max_row_tokens, self._vocabulary)
        row = _Row(self._next_number, request, generator_for(request.sampling))
        self._next_number += 1
        self._waiting.append(row)
        return row.number

    def step(self) -> list[TokenEvent]:
        """Make a token for each running row, those that just joined included."""
        self._admit()
        rows = list(self._running)
        return [self._advance(row, len(rows)) for row in rows]

    def abort(self, row: int) -> None:
        """Forget a row."""
        self._waiting = [waiting for waiting in self._waiting if waiting.number != row]
        self._running = [running for running in self._running if running.number != row]

    def has_work(self) -> bool:
        """Tell whether any row is left."""
        return bool(self._waiting or self._running)

    def close(self) -> None:
        """Drop rows and model."""
        self._waiting, self._running = [], []
        del self._model

    def _admit(self) -> None:
        self._waiting.sort(key=lambda row: (not row.request.urgent, row.number))
        free = self._capabilities.max_rows - len(self._running)
        self._running += self._waiting[:free]
        self._waiting = self._waiting[free:]

    def _advance(self, row: _Row, rows_in_step: int) -> TokenEvent:
        try:
            logits = self._logits(row)
        except Exception as error:
            self._running.remove(row)
            failure = EngineError(f"ONNX Runtime failed on this row: {error}")
            return TokenEvent(row.number, None, time.monotonic(), rows_in_step, FinishReason.ERROR, error=failure)
        token = choose(logits, row.request.sampling, row.chance)
        row.made, row.last_token = row.made + 1, token
        reason = finish_reason(row.request, token, row.made)
        if reason is not None:
            self._running.remove(row)
        chance = logprob(logits, token) if row.request.logprobs else None
        return TokenEvent(row.number, token, time.monotonic(), rows_in_step, reason, chance)

    def _logits(self, row: _Row) -> Floats:
        """Feed the prompt or the last token and return float32 logits (vocabulary,) of the last position."""
        if row.generator is None:
            parameters = self._library.GeneratorParams(self._model)
            parameters.set_search_options(max_length=len(row.request.prompt_token_ids) + row.request.max_tokens)
            row.generator = self._library.Generator(self._model, parameters)
            fed = np.array(row.request.prompt_token_ids, dtype=np.int32)
        else:
            fed = np.array([row.last_token], dtype=np.int32)
        row.generator.append_tokens(fed)
        logits = np.asarray(row.generator.get_logits(), dtype=np.float32)
        return logits.reshape(-1, logits.shape[-1])[-1, : self._vocabulary]
