"""A worker's hold on a job: the job it claimed, and what it learns of it later."""

from dataclasses import dataclass
from enum import StrEnum

from common.jobs import Job


class LeaseState(StrEnum):
    """What a worker learns about a job it runs."""

    LOST = "lost"
    HELD = "held"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job under lease; `claimed_at_ms` is Redis time at the claim, `losses` counts workers lost while running it."""

    job: Job
    claimed_at_ms: int
    losses: int
