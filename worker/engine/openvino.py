"""OpenVINO GenAI's continuous batching pipeline behind the engine contract; its verbs are nearly the contract's own."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.cpu_quota import usable_cpus
from common.errors import EngineError, ModelFilesError
from common.model_files import CONFIG_NAME
from worker.engine.base import EngineCapabilities, EngineRequest, FinishReason, Sampling, TokenEvent
from worker.engine.optional import exported, import_for
from worker.engine.requests import EngineLimits, check_request, finish_reason, library_seed, whole_gib

FOLDER_NAME = "openvino"
STEP_TOKENS = 2_048


@dataclass(slots=True, eq=False)
class _Row:
    request: EngineRequest
    handle: Any
    made: int = 0


class OpenVinoEngine:
    """Implements `worker.engine.base.Engine`.

    Raises ConfigurationError without openvino-genai, ModelFilesError where the exported model is missing or unusable.
    """

    def __init__(self, model_dir: Path, limits: EngineLimits) -> None:
        self._runtime = import_for("openvino", "openvino")
        self._genai = genai = import_for("openvino", "openvino_genai")
        folder = exported("openvino", model_dir / FOLDER_NAME)
        config = json.loads((model_dir / CONFIG_NAME).read_text("utf-8"))
        scheduler = genai.SchedulerConfig()
        scheduler.cache_size = whole_gib(limits.cache_bytes)
        scheduler.max_num_batched_tokens = STEP_TOKENS
        scheduler.max_num_seqs = limits.max_rows
        scheduler.dynamic_split_fuse = True
        scheduler.enable_prefix_caching = True
        properties = {"INFERENCE_NUM_THREADS": limits.threads or usable_cpus()}
        try:
            self._pipeline = genai.ContinuousBatchingPipeline(str(folder), scheduler, "CPU", properties)
        except RuntimeError as error:
            raise ModelFilesError(f"OpenVINO cannot load {folder}: {error}") from error
        self._vocabulary = int(config["vocab_size"])
        self._capabilities = EngineCapabilities(
            name="openvino",
            max_rows=limits.max_rows,
            max_row_tokens=min(limits.max_row_tokens, int(config["max_position_embeddings"])),
            batch_invariant=False,
            sampling=True,
            logprobs=True,
            prefix_cache=True,
            speculation=False,
        )
        self._rows: dict[int, _Row] = {}
        self._next_number = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this engine can do."""
        return self._capabilities

    def add(self, request: EngineRequest) -> int:
        """Hand a row to the pipeline; raises RequestError where it can never run."""
        check_request(request, self._capabilities.max_row_tokens, self._vocabulary)
        number = self._next_number
        prompt = self._runtime.Tensor(np.array([request.prompt_token_ids], dtype=np.int64))
        handle = self._pipeline.add_request(number, prompt, self._generation_config(request))
        self._next_number += 1
        self._rows[number] = _Row(request, handle)
        return number

    def step(self) -> list[TokenEvent]:
        """Run one step of the pipeline and read what it made for each row."""
        if not self._rows:
            return []
        if self._pipeline.has_non_finished_requests():
            self._pipeline.step()
        at_s = time.monotonic()
        rows = min(len(self._rows), self._capabilities.max_rows)
        return [event for number in list(self._rows) for event in self._read(number, at_s, rows)]

    def abort(self, row: int) -> None:
        """Forget a row; the pipeline drops it in its next step."""
        found = self._rows.pop(row, None)
        if found is not None:
            found.handle.cancel()

    def has_work(self) -> bool:
        """Tell whether any row is left."""
        return bool(self._rows)

    def close(self) -> None:
        """Drop rows, model and cache."""
        self._rows.clear()
        del self._pipeline

    def _generation_config(self, request: EngineRequest) -> Any:
        config = self._genai.GenerationConfig(
            max_new_tokens=request.max_tokens, ignore_eos=True, logprobs=int(request.logprobs)
        )
        # OpenVINO wants an end token among the stop tokens; this one is beyond the vocabulary and never comes.
        config.eos_token_id = self._vocabulary
        config.stop_token_ids = {*request.stop_token_ids, self._vocabulary}
        _set_sampling(config, request.sampling)
        return config

    def _read(self, number: int, at_s: float, rows: int) -> list[TokenEvent]:
        row = self._rows[number]
        events: list[TokenEvent] = []
        while row.handle.can_read():
            for output in row.handle.read().values():
                for index, token in enumerate(output.generated_ids):
                    row.made += 1
                    reason = finish_reason(row.request, token, row.made)
                    chance = output.generated_log_probs[index] if row.request.logprobs else None
                    events.append(TokenEvent(number, token, at_s, rows, reason, chance))
                    if reason is not None:
                        del self._rows[number]
                        return events
        if row.handle.get_status() != self._genai.GenerationStatus.RUNNING:
            # It ended without a last token: the cache had no room for it.
            del self._rows[number]
            error = EngineError("OpenVINO gave up this row: its keys and values did not fit the cache.")
            events.append(TokenEvent(number, None, at_s, rows, FinishReason.ERROR, error=error))
        return events


def _set_sampling(config: Any, sampling: Sampling) -> None:
    config.do_sample = sampling.temperature > 0
    if not config.do_sample:
        return
    config.temperature, config.top_p = sampling.temperature, sampling.top_p
    if sampling.top_k > 0:
        config.top_k = sampling.top_k
    config.rng_seed = library_seed(sampling)
