"""The reference engine: the Hugging Face model on torch, on a CPU or a GPU.

Every step makes a token for each running row and lets waiting rows join: their prompts are prefilled together,
left-padded, and copied into the shared cache. Matrix products depend on the batch's shape in the last bits, so this
engine does not promise the same tokens in every batch; the native engine does.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils import logging as transformers_logging

from common.cpu_quota import usable_cpus
from common.errors import ModelFilesError
from worker.engine.base import EngineCapabilities, EngineRequest, TokenEvent
from worker.engine.kv_slots import KvSlots
from worker.engine.requests import check_request, finish_reason
from worker.engine.sampling import generator_for, sample


@dataclass(slots=True, eq=False)
class _Row:
    number: int
    request: EngineRequest
    generator: torch.Generator | None
    made: int = 0
    last_token: int = 0

    @property
    def prompt_tokens(self) -> int:
        return len(self.request.prompt_token_ids)


class TransformersEngine:
    """Runs a causal model of a prepared folder behind the engine contract.

    Prompts of at most `prefill_tokens_per_step` tokens, padding included, join in one step; a longer one joins alone.
    Raises ModelFilesError where the folder cannot be loaded.
    """

    def __init__(
        self, model_path: Path, max_rows: int, max_row_tokens: int, dtype: str, prefill_tokens_per_step: int
    ) -> None:
        torch.set_num_threads(usable_cpus())
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model: Any = AutoModelForCausalLM.from_pretrained(
                model_path, dtype=number_format(dtype, self._device), local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ModelFilesError(f"{model_path} cannot be loaded: {error}") from error
        self._model = model.to(self._device).eval()
        self._prefill_tokens_per_step = prefill_tokens_per_step
        self._slots = KvSlots(model.config.num_hidden_layers, max_rows)
        self._capabilities = EngineCapabilities(
            name="transformers",
            max_rows=max_rows,
            max_row_tokens=min(max_row_tokens, model.config.max_position_embeddings),
            batch_invariant=False,
            sampling=True,
            logprobs=True,
            prefix_cache=False,
            speculation=False,
        )
        self._waiting: list[_Row] = []
        # By slot of the cache.
        self._running: list[_Row] = []
        self._next_number = 0

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this engine can do."""
        return self._capabilities

    def add(self, request: EngineRequest) -> int:
        """Admit a row; raises RequestError where it can never run."""
        check_request(request, self._capabilities.max_row_tokens, self._model.config.vocab_size)
        row = _Row(self._next_number, request, generator_for(request.sampling))
        self._next_number += 1
        self._waiting.append(row)
        return row.number

    @torch.inference_mode()
    def step(self) -> list[TokenEvent]:
        """Make a token for each running row, then let waiting rows join and make their first."""
        joining = self._take_waiting()
        running = list(self._running)
        rows_in_step = len(running) + len(joining)
        events = self._emit(running, self._decode(running), rows_in_step) if running else []
        if joining:
            logits = self._prefill(joining)
            events += self._emit(joining, logits, rows_in_step)
        return events

    @torch.inference_mode()  # moves another row's cache into the free place
    def abort(self, row: int) -> None:
        """Forget a row."""
        self._waiting = [waiting for waiting in self._waiting if waiting.number != row]
        for slot, running in enumerate(self._running):
            if running.number == row:
                self._remove(slot)
                return

    def has_work(self) -> bool:
        """Tell whether any row is left."""
        return bool(self._waiting or self._running)

    def close(self) -> None:
        """Drop model and cache."""
        self._waiting, self._running = [], []
        del self._model, self._slots

    def _take_waiting(self) -> list[_Row]:
        free = self._capabilities.max_rows - len(self._running)
        joining: list[_Row] = []
        longest = 0
        for row in sorted(self._waiting, key=lambda waiting: not waiting.request.urgent)[:free]:
            longest = max(longest, row.prompt_tokens)
            if joining and longest * (len(joining) + 1) > self._prefill_tokens_per_step:
                break
            joining.append(row)
        for row in joining:
            self._waiting.remove(row)
        return joining

    def _decode(self, rows: list[_Row]) -> torch.Tensor:
        self._slots.make_room()
        logits = self._forward(
            torch.tensor([[row.last_token] for row in rows], device=self._device),
            torch.tensor([[length] for length in self._slots.lengths], device=self._device),
            self._slots.mask(self._device),
            self._slots.cache,
        )
        self._slots.advance()
        return logits

    def _prefill(self, rows: list[_Row]) -> torch.Tensor:
        lengths = [row.prompt_tokens for row in rows]
        longest = max(lengths)
        token_ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros_like(token_ids)
        for index, row in enumerate(rows):
            token_ids[index, longest - row.prompt_tokens :] = torch.tensor(row.request.prompt_token_ids)
            mask[index, longest - row.prompt_tokens :] = 1
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache = DynamicCache()
        logits = self._forward(token_ids.to(self._device), positions.to(self._device), mask.to(self._device), cache)
        layers: list[Any] = cache.layers
        self._slots.add([(layer.keys, layer.values) for layer in layers], lengths)
        self._running += rows
        return logits

    def _forward(
        self, token_ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: Any
    ) -> torch.Tensor:
        """Return the float32 logits (rows, vocabulary) of each row's last position."""
        output = self._model(
            input_ids=token_ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1, :].float()
        return logits

    def _emit(self, rows: list[_Row], logits: torch.Tensor, rows_in_step: int) -> list[TokenEvent]:
        greedy = logits.argmax(1).tolist()
        at_s = time.monotonic()
        events = []
        for index, row in enumerate(rows):
            token = greedy[index]
            if row.generator is not None:
                token = sample(logits[index].cpu(), row.request.sampling, row.generator)
            logprob = float(logits[index].log_softmax(0)[token]) if row.request.logprobs else None
            row.last_token = token
            row.made += 1
            reason = finish_reason(row.request, token, row.made)
            events.append(TokenEvent(row.number, token, at_s, rows_in_step, reason, logprob))
            if reason is not None:
                self._remove(self._running.index(row))
        return events

    def _remove(self, slot: int) -> None:
        self._slots.remove(slot)
        self._running[slot] = self._running[-1]
        self._running.pop()


def number_format(dtype: str, device: torch.device) -> torch.dtype:
    """Return torch's name of a configured format; `auto` is float32 on a CPU that only emulates products of bfloat16.

    Emulated products make about 1 GFLOP/s: a prompt then takes minutes.
    """
    if dtype != "auto":
        return torch.float32 if dtype == "float32" else torch.bfloat16
    emulated = device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.float32 if emulated else torch.bfloat16
