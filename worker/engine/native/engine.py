"""The native engine: scheduling in Python, one compiled forward step, int8 weights mapped from the packed file."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common.cpu_quota import usable_cpus
from common.errors import (
    ConfigurationError,
    EngineError,
    FinanceLLMError,
    ModelFilesError,
)
from worker.engine.base import EngineCapabilities, EngineRequest, FinishReason, TokenEvent
from worker.engine.native.blocks import BLOCK_TOKENS, BlockPool, blocks_for
from worker.engine.native.packed import PACKED_NAME, read_header, verify_tensors
from worker.engine.native.rows import Row, Slice
from worker.engine.native.scheduler import Scheduler
from worker.engine.native.speculation import BALANCE_TOKENS
from worker.engine.requests import check_request

_import_error: str | None = None
try:
    from worker.engine.native import _native
except ImportError as error:
    _import_error = str(error)

if TYPE_CHECKING:
    from worker.engine.native._native import ChoiceTuple, SequenceTuple

ISA_VARIABLE = "FINANCELLM_ISA"


@dataclass(frozen=True, slots=True)
class NativeOptions:
    """How much the engine may use.

    `threads` None follows the CPU quota and `isa` None the variable FINANCELLM_ISA, then the best this machine has.
    `verify` hashes the packed file once at start.
    """

    max_rows: int = 32
    max_row_tokens: int = 8192
    step_tokens: int = 256
    kv_bytes: int = 512 << 20
    threads: int | None = None
    isa: str | None = None
    speculation: bool = True
    prefix_cache: bool = True
    verify: bool = True


def unavailable_reason() -> str | None:
    """Return why the compiled part cannot be used, None where it can."""
    return _import_error


class NativeEngine:
    """Implements `worker.engine.base.Engine`; a row's tokens do not depend on batch, chunk, threads or order."""

    def __init__(self, model_dir: Path, options: NativeOptions | None = None) -> None:
        """Map model_dir/packed.int8.

        Raises ConfigurationError where the compiled part is absent or an option is impossible, ModelFilesError where
        the file is missing, corrupt or of an unsupported kind.
        """
        if _import_error is not None:
            raise ConfigurationError(
                f"The native engine was not compiled ({_import_error}). "
                "Install with a C++20 compiler present, or set the engine to transformers."
            )
        chosen = options or NativeOptions()
        path = model_dir / PACKED_NAME
        header = read_header(path)
        if chosen.verify:
            verify_tensors(path, header)
        config = header.config
        self.isa = chosen.isa or os.environ.get(ISA_VARIABLE) or _native.supported_isas()[0]
        self.threads = chosen.threads or usable_cpus()
        block_bytes = config.kv_bytes_per_token() * BLOCK_TOKENS
        kv_blocks = chosen.kv_bytes // block_bytes
        row_tokens = min(chosen.max_row_tokens, config.max_positions, kv_blocks * BLOCK_TOKENS)
        if kv_blocks < 1 or chosen.max_rows < 1 or chosen.step_tokens < chosen.max_rows:
            raise ConfigurationError(
                f"kv_bytes {chosen.kv_bytes}, max_rows {chosen.max_rows} and step_tokens {chosen.step_tokens} "
                f"do not fit together: a block of {BLOCK_TOKENS} tokens takes {block_bytes} bytes "
                "and a step must hold a token of every row."
            )
        try:
            model = _native.load_model(str(path), config.numbers(), header.locations())
        except RuntimeError as error:
            raise ModelFilesError(f"{error}. Run `financellm model prepare --force`.") from error
        try:
            self._forward = _native.Forward(
                model, self.isa, chosen.step_tokens, row_tokens, kv_blocks, self.threads
            )  # fmt: skip
        except ValueError as error:
            raise ConfigurationError(f"{error}. Change {ISA_VARIABLE}.") from error
        except RuntimeError as error:
            raise ConfigurationError(f"{error}. Lower FINANCELLM_ENGINE_THREADS.") from error
        self._vocabulary = config.vocabulary
        self.scheduler = Scheduler(
            BlockPool(kv_blocks),
            chosen.max_rows,
            chosen.step_tokens,
            BALANCE_TOKENS[self.isa] if chosen.speculation else 0,
            chosen.prefix_cache,
        )
        self._capabilities = EngineCapabilities(
            name="native",
            max_rows=chosen.max_rows,
            max_row_tokens=row_tokens,
            batch_invariant=True,
            sampling=True,
            logprobs=True,
            prefix_cache=chosen.prefix_cache,
            speculation=chosen.speculation,
        )

    @property
    def capabilities(self) -> EngineCapabilities:
        """What this engine can do; `max_row_tokens` is what the KV budget and the model allow."""
        return self._capabilities

    def add(self, request: EngineRequest) -> int:
        """Queue a row; raises RequestError where it can never run."""
        check_request(request, self._capabilities.max_row_tokens, self._vocabulary)
        return self.scheduler.add(request)

    def step(self) -> list[TokenEvent]:
        """Compute one step; a failure is reported by the rows it concerns and the others go on."""
        parts = self.scheduler.plan()
        if not parts:
            return []
        results = self._compute(parts)
        at_s = time.monotonic()
        events: list[TokenEvent] = []
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, FinanceLLMError):
                self.scheduler.forget(part.row.number)
                events.append(self._event(part.row, None, at_s, len(parts), error=result))
            else:
                events += self._take(part, result, at_s, len(parts))
        return events

    def abort(self, row: int) -> None:
        """Forget a row; its blocks are free for the next step."""
        self.scheduler.forget(row)

    def has_work(self) -> bool:
        """Tell whether any row is unfinished."""
        return self.scheduler.has_work()

    def close(self) -> None:
        """Release weights, cache and threads."""
        del self._forward

    def _compute(self, parts: list[Slice]) -> list["list[ChoiceTuple] | FinanceLLMError"]:
        inputs = [_sequence(part) for part in parts]
        try:
            return list(self._forward.step(inputs))
        except Exception as error:
            if len(parts) == 1:
                return [EngineError(f"The forward step failed: {error}")]
        # Computing a slice again writes the same keys and values, so each row can be tried alone.
        return [result for part in parts for result in self._compute([part])]

    def _take(self, part: Slice, choices: "list[ChoiceTuple]", at_s: float, rows: int) -> list[TokenEvent]:
        row, request = part.row, part.row.request
        draft = part.tokens[len(part.tokens) - part.drafted :]
        made: list[TokenEvent] = []
        for index, (token, logprob, finite) in enumerate(choices):
            if not finite:
                self.scheduler.forget(row.number)
                error = EngineError("The model's hidden state is not finite; the weights or the prompt are damaged.")
                return [*made, self._event(row, None, at_s, rows, error=error)]
            reason = None
            if token in request.stop_token_ids:
                reason = FinishReason.STOP
            elif row.generated + len(made) + 1 >= request.max_tokens:
                reason = FinishReason.LENGTH
            made.append(self._event(row, token, at_s, rows, reason, logprob if request.logprobs else None))
            if reason is not None or index >= len(draft) or draft[index] != token:
                break
        self.scheduler.advance(part, [event.token_id for event in made if event.token_id is not None])
        if made and made[-1].finish_reason is not None:
            self.scheduler.forget(row.number)
        return made

    @staticmethod
    def _event(
        row: Row,
        token: int | None,
        at_s: float,
        rows: int,
        reason: FinishReason | None = None,
        logprob: float | None = None,
        error: FinanceLLMError | None = None,
    ) -> TokenEvent:
        return TokenEvent(
            row=row.number,
            token_id=token,
            at_s=at_s,
            rows_in_step=rows,
            finish_reason=FinishReason.ERROR if error else reason,
            logprob=logprob,
            cached_prompt_tokens=row.cached_prompt_tokens,
            error=error,
        )


def _sequence(part: Slice) -> "SequenceTuple":
    row, sampling = part.row, part.row.request.sampling
    return (
        part.tokens,
        row.computed,
        row.blocks[: blocks_for(row.computed + len(part.tokens))],
        part.choices,
        sampling.temperature,
        sampling.top_p,
        sampling.top_k,
        sampling.seed & 0xFFFFFFFFFFFFFFFF,
        row.generated,
        row.request.logprobs,
    )
