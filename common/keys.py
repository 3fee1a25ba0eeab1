"""The names of everything kept in Redis.

All keys share one hash tag, as scripts that touch several keys ask for it. That alone does not make a Redis Cluster
usable: a deployment uses one Redis server.
"""

from dataclasses import dataclass

from common.jobs import Lane


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix."""

    prefix: str

    @property
    def root(self) -> str:
        """Begins every key; the Lua scripts append the same suffixes as the methods here."""
        return f"{{{self.prefix}}}:"

    def job(self, job_id: str) -> str:
        """Hash: the job record."""
        return f"{self.root}job:{job_id}"

    def run(self, run_id: str) -> str:
        """Hash: the record of a bulk run."""
        return f"{self.root}run:{run_id}"

    def events(self, job_id: str) -> str:
        """Stream: the job's event log."""
        return f"{self.root}events:{job_id}"

    def waiting(self, lane: Lane) -> str:
        """Sorted set: queued job ids by fair start time; the rank is the position."""
        return f"{self.root}waiting:{lane}"

    def idempotency(self, caller: str, key_hash: str) -> str:
        """String: job id and body hash of a caller's Idempotency-Key."""
        return f"{self.root}idempotency:{caller}:{key_hash}"

    @property
    def notify_channel(self) -> str:
        """Channel: ids of jobs, runs and collections that changed."""
        return f"{self.root}notify"

    @property
    def text_channel(self) -> str:
        """Channel: ids of jobs whose event log grew by text alone, a few times a second for each."""
        return f"{self.root}text"

    @property
    def cancel_channel(self) -> str:
        """Channel: ids of running jobs whose cancellation was asked for."""
        return f"{self.root}cancel"
