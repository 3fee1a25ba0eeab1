"""What a caller asks for, and what became of it: a validated submission and the store's answer."""

from dataclasses import dataclass
from enum import StrEnum

from common.jobs import GenerateRequest, Lane, Value


class Outcome(StrEnum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    MISMATCH = "mismatch"
    FULL = "full"
    TOO_MANY = "too_many"


class Submission(Value):
    """Answer to `submit`: `job_id` when accepted or repeated, `backlog_tokens` of the lane when accepted or full.

    `turn` of a job that found the lane full is what a promise of room is made to.

    A first acceptance also tells the job's time stamp and place, so that nobody has to ask again for them.
    """

    outcome: Outcome
    job_id: str | None = None
    backlog_tokens: int | None = None
    created_at_ms: int | None = None
    rank: int | None = None
    jobs_in_lane: int | None = None
    turn: str | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A validated submission. `flow` names whose turn it takes in fair queueing: a caller, or one batch of a caller."""

    id: str
    lane: Lane
    caller: str
    flow: str
    request: GenerateRequest
    prompt_tokens: int
    priority: int = 0
    deadline_ms: int | None = None
    webhook_url: str | None = None
    metadata: dict[str, str] | None = None
    idempotency_key: str | None = None
    body_hash: str = ""
    traceparent: str | None = None

    @property
    def cost_tokens(self) -> int:
        """Prompt plus allowed completion."""
        return self.prompt_tokens + self.request.max_tokens
