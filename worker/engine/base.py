"""The contract between the engine loop and an inference engine.

Four verbs, the ones independent engines settled on: add a request, step, ask whether anything is left, abort.
One thread owns an engine, so implementations need no locks.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from common.errors import FinanceLLMError


class FinishReason(StrEnum):
    """Why a row ended: a stop token, its token budget, or its own failure."""

    STOP = "stop"
    LENGTH = "length"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; `temperature` 0 is greedy and ignores the other three."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0


GREEDY = Sampling()


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """One row to generate.

    `prompt_token_ids` is not empty; `max_tokens` counts generated tokens, the stop token included;
    `urgent` rows enter a step before the others when its token budget is short.
    """

    prompt_token_ids: tuple[int, ...]
    max_tokens: int
    sampling: Sampling = GREEDY
    stop_token_ids: frozenset[int] = frozenset()
    urgent: bool = False
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """What one step did for one row.

    `row` is the number `add` returned. `token_id` is the new token, None only when `error` is set.
    `at_s` is `time.monotonic()` at the end of the step that made it. `finish_reason` is set on the row's last
    event, after which the engine has forgotten the row. `cached_prompt_tokens` counts prompt tokens whose keys and
    values were reused. `rows_in_step` counts the rows the step worked on. One step may emit several events for one
    row (speculation), in order.
    """

    row: int
    token_id: int | None
    at_s: float
    rows_in_step: int
    finish_reason: FinishReason | None = None
    logprob: float | None = None
    cached_prompt_tokens: int = 0
    error: FinanceLLMError | None = None


@dataclass(frozen=True, slots=True)
class EngineCapabilities:
    """What an engine can do, so that a request it cannot serve is refused before it is queued.

    `max_rows` rows run at once and `max_row_tokens` is the longest prompt plus completion of one row.
    `batch_invariant` promises the same greedy tokens alone or inside any batch.
    """

    name: str
    max_rows: int
    max_row_tokens: int
    batch_invariant: bool
    sampling: bool
    logprobs: bool
    prefix_cache: bool
    speculation: bool


@runtime_checkable
class Engine(Protocol):
    """Rows join and leave between any two steps."""

    @property
    def capabilities(self) -> EngineCapabilities: ...

    def add(self, request: EngineRequest) -> int:
        """Admit a row and return its number, unique for the life of the engine.

        Raises RequestError if the row can never run (too long, unsupported sampling); it never blocks, so a row beyond
        `max_rows` waits inside the engine.
        """
        ...

    def step(self) -> list[TokenEvent]:
        """Run one forward step over the admitted rows and return what it produced, possibly nothing.

        A failure that concerns single rows is reported as their events; an exception means every row is lost.
        """
        ...

    def abort(self, row: int) -> None:
        """Forget a row before the next step; a row that already ended is ignored."""
        ...

    def has_work(self) -> bool:
        """Tell whether any admitted row is unfinished."""
        ...

    def close(self) -> None:
        """Release weights and memory; the engine is unusable afterwards."""
        ...
