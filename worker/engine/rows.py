"""Rows as their submitters see them: a future, the text so far, and a way to take them out."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum

from worker.engine.base import EngineRequest, FinishReason, TokenEvent
from worker.engine.text import TextAssembler


class AbortReason(StrEnum):
    """Why a row is taken out before its end."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RELEASED = "released"
    LOST = "lost"


class RowAbortedError(Exception):
    """Ends the future of a row that was taken out."""

    def __init__(self, reason: AbortReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """A finished row; times in milliseconds, `wait_ms` until its admission, `prefill_ms` from there to the first token.

    `batch_size_mean` is the mean number of rows in the steps that made the row's tokens; `rows` is 2 for two tries of
    one job. `logprob` is the natural logarithm of the probability of all tokens, None where the engine told none.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    wait_ms: float
    prefill_ms: float
    decode_ms: float
    batch_size_mean: float
    rows: int = 1
    logprob: float | None = None

    def followed_by(self, later: "RowOutcome") -> "RowOutcome":
        """Return both rows as one account of their job: times and tokens added, all else as in the later one."""
        completion_tokens = self.completion_tokens + later.completion_tokens
        weighted = self.batch_size_mean * self.completion_tokens + later.batch_size_mean * later.completion_tokens
        return RowOutcome(
            text=later.text,
            finish_reason=later.finish_reason,
            prompt_tokens=self.prompt_tokens + later.prompt_tokens,
            cached_prompt_tokens=self.cached_prompt_tokens + later.cached_prompt_tokens,
            completion_tokens=completion_tokens,
            wait_ms=self.wait_ms + later.wait_ms,
            prefill_ms=self.prefill_ms + later.prefill_ms,
            decode_ms=self.decode_ms + later.decode_ms,
            batch_size_mean=weighted / max(1, completion_tokens),
            rows=self.rows + later.rows,
            logprob=later.logprob,
        )


@dataclass(slots=True, eq=False)
class RowHandle:
    """A submitted row.

    `text` only grows and may be read from any thread. `deadline_s` is a monotonic time. All but `future`, `text` and
    `abort` belongs to the loop's thread.
    """

    request: EngineRequest
    assembler: TextAssembler
    deadline_s: float | None
    written: str = ""
    future: "Future[RowOutcome]" = field(default_factory=Future)
    abort_reason: AbortReason | None = None
    token_ids: list[int] = field(default_factory=list)
    submitted_s: float = field(default_factory=time.monotonic)
    admitted_s: float | None = None
    first_token_s: float = 0.0
    last_token_s: float = 0.0
    cached_prompt_tokens: int = 0
    steps: int = 0
    rows_in_steps: int = 0
    logprob: float | None = None

    @property
    def text(self) -> str:
        """The answer so far, safe to show, after what was written before this row."""
        return self.written + self.assembler.text

    def abort(self, reason: AbortReason) -> None:
        """Ask for the row to be taken out before the next step; the first reason stands."""
        if self.abort_reason is None:
            self.abort_reason = reason

    def check_deadline(self, now_s: float) -> None:
        """Abort the row if its time is up."""
        if self.deadline_s is not None and now_s >= self.deadline_s:
            self.abort(AbortReason.EXPIRED)

    def remaining_request(self) -> EngineRequest:
        """Return what is still to be generated; tokens made by an engine that is gone become part of the prompt."""
        if not self.token_ids:
            return self.request
        return EngineRequest(
            prompt_token_ids=(*self.request.prompt_token_ids, *self.token_ids),
            max_tokens=self.request.max_tokens - len(self.token_ids),
            sampling=self.request.sampling,
            stop_token_ids=self.request.stop_token_ids,
            urgent=self.request.urgent,
            logprobs=self.request.logprobs,
        )

    def take(self, token_id: int, event: TokenEvent, first_of_step: bool) -> int:
        """Note a token; returns how many tokens of work it stands for."""
        work = 1
        if not self.token_ids:
            self.first_token_s = event.at_s
            self.cached_prompt_tokens = event.cached_prompt_tokens
            work += len(self.request.prompt_token_ids)
        self.last_token_s = event.at_s
        self.token_ids.append(token_id)
        if event.logprob is not None:
            self.logprob = event.logprob + (self.logprob or 0.0)
        if first_of_step:
            self.steps += 1
            self.rows_in_steps += event.rows_in_step
        if token_id not in self.request.stop_token_ids:
            self.assembler.push(token_id)
        return work

    def finish(self, reason: FinishReason) -> None:
        """Resolve the future with what the row came to."""
        text = self.assembler.finish()
        if self.assembler.stopped:
            reason = FinishReason.STOP
        admitted_s = self.first_token_s if self.admitted_s is None else self.admitted_s
        self.future.set_result(
            RowOutcome(
                text=text,
                finish_reason=reason,
                prompt_tokens=len(self.request.prompt_token_ids),
                cached_prompt_tokens=self.cached_prompt_tokens,
                completion_tokens=len(self.token_ids),
                wait_ms=1000 * (admitted_s - self.submitted_s),
                prefill_ms=1000 * (self.first_token_s - admitted_s),
                decode_ms=1000 * (self.last_token_s - self.first_token_s),
                batch_size_mean=self.rows_in_steps / max(1, self.steps),
                logprob=self.logprob,
            )
        )

    def fail(self, error: Exception) -> None:
        """Resolve the future with an error."""
        self.future.set_exception(error)
