"""vLLM's synchronous engine behind the engine contract, on a GPU or with its CPU build.

vLLM reads the prepared folder as it is. Its scheduler runs in this process, because the loop's thread owns it.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cpu_quota import usable_cpus
from common.errors import ConfigurationError, ModelFilesError
from worker.engine.base import EngineCapabilities, EngineRequest, TokenEvent
from worker.engine.optional import import_for
from worker.engine.requests import EngineLimits, check_request, finish_reason, library_seed, whole_gib


@dataclass(slots=True, eq=False)
class _Row:
    request: EngineRequest
    made: int = 0


class VllmEngine:
    """Implements `worker.engine.base.Engine`.

    Its cache is `cache_bytes` on CPUs; on GPUs it takes what the weights leave. Raises ConfigurationError
    without vllm or where vLLM refuses the folder, ModelFilesError where there is none.
    """

    def __init__(self, model_dir: Path, limits: EngineLimits, dtype: str) -> None:
        _set_environment(limits)
        self._vllm = vllm = import_for("vllm", "vllm")
        if not model_dir.is_dir():
            raise ModelFilesError(f"{model_dir} holds no prepared model. Run `financellm model prepare`.")
        arguments = vllm.EngineArgs(
            model=str(model_dir),
            skip_tokenizer_init=True,
            dtype=dtype,
            max_model_len=limits.max_row_tokens,
            max_num_seqs=limits.max_rows,
            enable_prefix_caching=True,
            scheduling_policy="priority",
            disable_log_stats=True,
        )
        try:
            self._engine = vllm.LLMEngine.from_engine_args(arguments)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"vLLM cannot serve {model_dir}: {error}") from error
        config = self._engine.model_config
        self._vocabulary = int(config.get_vocab_size())
        self._delta = import_for("vllm", "vllm.sampling_params").RequestOutputKind.DELTA
        self._capabilities = EngineCapabilities(
            name="vllm",
            max_rows=limits.max_rows,
            max_row_tokens=int(config.max_model_len),
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
        """Hand a row to vLLM; raises RequestError where it can never run."""
        check_request(request, self._capabilities.max_row_tokens, self._vocabulary)
        number = self._next_number
        self._engine.add_request(
            str(number),
            {"prompt_token_ids": list(request.prompt_token_ids)},
            self._parameters(request),
            priority=0 if request.urgent else 1,
        )
        self._next_number += 1
        self._rows[number] = _Row(request)
        return number

    def step(self) -> list[TokenEvent]:
        """Run one step and return the tokens it made."""
        if not self._rows:
            return []
        outputs = self._engine.step()
        at_s = time.monotonic()
        return [event for output in outputs for event in self._read(output, at_s, len(outputs))]

    def abort(self, row: int) -> None:
        """Forget a row."""
        if self._rows.pop(row, None) is not None:
            self._engine.abort_request([str(row)])

    def has_work(self) -> bool:
        """Tell whether any row is left."""
        return bool(self._rows)

    def close(self) -> None:
        """Drop rows, weights and cache."""
        self._rows.clear()
        self._engine.engine_core.shutdown()
        del self._engine

    def _parameters(self, request: EngineRequest) -> Any:
        sampling = request.sampling
        return self._vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=library_seed(sampling),
            max_tokens=request.max_tokens,
            stop_token_ids=sorted(request.stop_token_ids),
            ignore_eos=True,
            detokenize=False,
            logprobs=0 if request.logprobs else None,
            output_kind=self._delta,
        )

    def _read(self, output: Any, at_s: float, rows: int) -> list[TokenEvent]:
        number = int(output.request_id)
        row = self._rows.get(number)
        if row is None:
            return []
        events: list[TokenEvent] = []
        cached = output.num_cached_tokens or 0
        completion = output.outputs[0]
        for index, token in enumerate(completion.token_ids):
            row.made += 1
            reason = finish_reason(row.request, token, row.made)
            chance = completion.logprobs[index][token].logprob if row.request.logprobs else None
            events.append(TokenEvent(number, token, at_s, rows, reason, chance, cached))
            if reason is not None:
                del self._rows[number]
                return events
        return events


def _set_environment(limits: EngineLimits) -> None:
    """Set what vLLM reads when it is imported; what an operator set stands."""
    cores = sorted(os.sched_getaffinity(0))[: limits.threads or usable_cpus()]
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores)))
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(whole_gib(limits.cache_bytes)))
