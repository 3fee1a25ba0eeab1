"""Jobs as plain values: statuses, allowed transitions, the request, the result and its timings."""

import secrets
import time
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from common.finance_answers import EvidenceCounts, FinanceAnswer, Source
from common.finance_tasks import Task
from common.prompts import Message
from common.values import Value as Value


class JobStatus(StrEnum):
    """What a user sees of a job; Celery's own states are never shown."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.QUEUED, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED}
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
    JobStatus.EXPIRED: frozenset(),
}


class Lane(StrEnum):
    """The two queues; interactive work is taken before bulk work."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


class NextPrompt(Value):
    """Other sources to put the same question to, where those before gave no verified answer."""

    messages: tuple[Message, ...]
    sources: tuple[Source, ...]
    evidence: EvidenceCounts | None = None


class GenerateRequest(Value):
    """What the model is asked, after validation; stored with the job.

    `max_tokens` counts generated tokens. `temperature` 0 is greedy. `stop` strings end the answer and
    are not part of it. `task` says how the answer is read, `sources` are what its numbers are checked against, and
    `evidence` counts what of them is in the messages. `earlier_questions` are those that a follow-up goes on from,
    oldest first. `more` is asked in turn until an answer is verified.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()
    task: Task = Task.TEXT
    question: str | None = None
    earlier_questions: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    evidence: EvidenceCounts | None = None
    more: tuple[NextPrompt, ...] = ()

    def prompts(self) -> tuple["GenerateRequest", ...]:
        """Return the requests of its prompts one by one, in the order they are asked."""
        alone = self.model_copy(update={"more": ()})
        further = (
            alone.model_copy(update={name: getattr(prompt, name) for name in NextPrompt.model_fields})
            for prompt in self.more
        )
        return (alone, *further)


class Timings(Value):
    """Intervals in milliseconds.

    `queue_ms` is the time from acceptance to the claim that succeeded (Redis' clock) and what the claimed job then
    waited for a row of the engine (the worker's). `prefill_ms` runs from admission to the engine to the first token;
    with chunked prefill it includes steps shared with other rows. `decode_ms` runs from first to last token.
    `total_ms` runs from acceptance to the end (Redis' clock). `batch_size_mean` is the mean number of rows in the
    steps this job took part in.
    """

    queue_ms: float
    tokenize_ms: float
    prefill_ms: float
    decode_ms: float
    total_ms: float
    prompt_tokens: int
    cached_prompt_tokens: int
    completion_tokens: int
    decode_tokens_per_second: float | None
    batch_size_mean: float
    engine: str
    model_revision: str


class GenerateResult(Value):
    """The answer for people and how it came about; `finish_reason` is `stop` or `length`.

    `answer` takes it apart and says what was checked; null for plain text without sources.
    """

    text: str
    finish_reason: str
    timings: Timings
    answer: FinanceAnswer | None = None


class JobError(Value):
    """Why a job failed: a stable code and a sentence for people."""

    code: str
    message: str
    retryable: bool = False


class WebhookState(Value):
    """Where a job's terminal notification goes and how its delivery stands (pending, delivered, failed)."""

    url: str
    status: str
    attempts: int = 0
    last_error: str | None = None


class Job(Value):
    """One accepted request; times are Unix milliseconds by Redis' clock.

    `attempt` counts claims, `fencing_token` grows by one at each claim and never goes back. `cost_tokens` is prompt
    plus allowed completion, the unit of admission and fairness.
    """

    id: str
    status: JobStatus
    lane: Lane
    caller: str
    request: GenerateRequest
    prompt_tokens: int
    cost_tokens: int
    priority: int
    created_at_ms: int
    deadline_at_ms: int | None = None
    attempt: int = 0
    fencing_token: int = 0
    worker: str | None = None
    claimed_at_ms: int | None = None
    finished_at_ms: int | None = None
    cancel_requested: bool = False
    result: GenerateResult | None = None
    error: JobError | None = None
    webhook: WebhookState | None = None
    metadata: dict[str, str] = Field(default_factory=dict)
    traceparent: str | None = None


class QueuePlace(Value):
    """Where a queued job stands: `position` 1 is next; `eta_s` is None until workers have measured a rate."""

    position: int
    jobs_in_lane: int
    tokens_ahead: int
    eta_s: float | None


def new_job_id() -> str:
    """Return an id that sorts by creation time, so equal queue scores stay first come, first served."""
    return f"job_{time.time_ns():016x}{secrets.token_hex(6)}"


def can_move(before: JobStatus, after: JobStatus) -> bool:
    """Tell whether the state machine has this edge."""
    return after in TRANSITIONS[before]


def as_json_dict(value: BaseModel) -> dict[str, Any]:
    """Return a value as plain JSON types without fields that are None."""
    return value.model_dump(mode="json", exclude_none=True)
