"""The claim protocol as a state machine: random interleavings of submit, claim, crash, reap, cancel and late writes.

The model is a few lines of plain Python; the Lua scripts must agree with it after every step. A variant without fencing
must be caught, or the machine would prove nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from unittest.mock import patch

import fakeredis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from common import operations, store
from common.events import EventType, events_from_entries
from common.jobs import JobStatus, Lane, can_move
from common.keys import Keys
from common.leases import LeaseState
from tests.support.values import WORKER, new_job, result

MAX_ATTEMPTS = 3
LEASE_MS = 1_000


@dataclass
class ModelJob:
    status: JobStatus = JobStatus.QUEUED
    token: int = 0
    attempt: int = 0
    cancel_requested: bool = False
    seen: list[JobStatus] = field(default_factory=lambda: [JobStatus.QUEUED])

    def move(self, status: JobStatus) -> None:
        assert can_move(self.status, status)
        self.status = status
        self.seen.append(status)


class ClaimProtocol(RuleBasedStateMachine):
    """Workers claim, crash and come back late; the model knows who may write."""

    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.redis = fakeredis.FakeRedis(decode_responses=True)
        self.store = store.JobStore(self.redis, Keys("test"))
        self.jobs: dict[str, ModelJob] = {}

    @rule(deadline=st.booleans())
    def submit(self, deadline: bool) -> None:
        job = new_job(deadline_ms=3_600_000 if deadline else None)
        self.store.run(operations.submit(job, 10**9, 60))
        self.jobs[job.id] = ModelJob()

    @rule(target=claims)
    def claim(self) -> tuple[str, int] | None:
        claimed = self.store.run(operations.claim("w1", Lane.INTERACTIVE, LEASE_MS))
        waiting = [job_id for job_id, job in self.jobs.items() if job.status is JobStatus.QUEUED]
        assert (claimed is None) == (not waiting)
        if claimed is None:
            return None
        model = self.jobs[claimed.job.id]
        model.move(JobStatus.RUNNING)
        model.token += 1
        model.attempt += 1
        assert (claimed.job.fencing_token, claimed.job.attempt) == (model.token, model.attempt)
        return claimed.job.id, model.token

    @rule(claim=claims)
    def succeed(self, claim: tuple[str, int] | None) -> None:
        self._write(claim, JobStatus.SUCCEEDED, lambda job_id, token: operations.succeed(job_id, token, result()))

    @rule(claim=claims)
    def fail(self, claim: tuple[str, int] | None) -> None:
        self._write(claim, JobStatus.FAILED, lambda job_id, token: operations.end(job_id, token, JobStatus.FAILED))

    @rule(claim=claims)
    def hand_back(self, claim: tuple[str, int] | None) -> None:
        if claim is None:
            return
        model = self.jobs[claim[0]]
        held = self._holds(claim)
        lane = self.store.run(operations.release(*claim, "drain"))
        assert (lane is not None) == (held and not model.cancel_requested)
        if held and model.cancel_requested:
            model.move(JobStatus.CANCELLED)
        elif held:
            model.attempt -= 1
            model.move(JobStatus.QUEUED)

    @rule(claim=claims)
    def heartbeat(self, claim: tuple[str, int] | None) -> None:
        if claim is None:
            return
        (state,) = self.store.run(operations.heartbeat(WORKER, LEASE_MS, [claim]))
        if not self._holds(claim):
            assert state is LeaseState.LOST
        else:
            assert state is (LeaseState.CANCEL if self.jobs[claim[0]].cancel_requested else LeaseState.HELD)

    @rule(claim=claims)
    def lose_worker(self, claim: tuple[str, int] | None) -> None:
        """The worker dies: its lease runs out and the reaper passes."""
        if claim is None or not self._holds(claim):
            return
        self.redis.zadd(f"{self.store.keys.root}leases", {claim[0]: 0})
        requeued = self.store.run(operations.reap(10, MAX_ATTEMPTS))
        model = self.jobs[claim[0]]
        if model.cancel_requested:
            model.move(JobStatus.CANCELLED)
        elif model.attempt >= MAX_ATTEMPTS:
            model.move(JobStatus.FAILED)
        else:
            model.move(JobStatus.QUEUED)
        assert [job_id for job_id, _ in requeued] == ([claim[0]] if model.status is JobStatus.QUEUED else [])

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if not self.jobs:
            return
        job_id = data.draw(st.sampled_from(sorted(self.jobs)))
        model = self.jobs[job_id]
        if model.status is JobStatus.QUEUED:
            model.move(JobStatus.CANCELLED)
        elif model.status is JobStatus.RUNNING:
            model.cancel_requested = True
        assert self.store.run(operations.cancel(job_id, "alice")) is model.status

    @invariant()
    def records_agree_with_the_model(self) -> None:
        for job_id, model in self.jobs.items():
            described = self.store.run(operations.describe(job_id, "alice"))
            assert described is not None
            assert described.job.status is model.status

    @invariant()
    def logs_hold_exactly_the_models_transitions(self) -> None:
        for job_id, model in self.jobs.items():
            types = [e.type for e in events_from_entries(self.redis.xrange(self.store.keys.events(job_id)))]
            moves = [kind for kind in types if kind not in {EventType.CANCELLING, EventType.TOKEN}]
            assert [_status(kind) for kind in moves] == model.seen
            assert sum(kind.is_terminal for kind in types) == model.status.is_terminal

    @invariant()
    def backlog_counts_the_queued(self) -> None:
        waiting = sum(job.status is JobStatus.QUEUED for job in self.jobs.values())
        lane = self.store.run(operations.overview()).lanes[Lane.INTERACTIVE]
        assert (lane.waiting, lane.backlog_tokens) == (waiting, 100 * waiting)

    def _holds(self, claim: tuple[str, int]) -> bool:
        model = self.jobs[claim[0]]
        return model.status is JobStatus.RUNNING and model.token == claim[1]

    def _write(
        self,
        claim: tuple[str, int] | None,
        status: JobStatus,
        write: Callable[[str, int], operations.Operation[bool]],
    ) -> None:
        if claim is None:
            return
        model = self.jobs[claim[0]]
        repeated = model.status is status and model.token == claim[1]
        held = self._holds(claim)
        assert self.store.run(write(*claim)) == (held or repeated)
        if held:
            model.move(status)


def _status(kind: EventType) -> JobStatus:
    return JobStatus.QUEUED if kind is EventType.REQUEUED else JobStatus(kind.value)


STEPS = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    database=None,
)
# The broken variant only has to be found, not shrunk.
FIND = settings(STEPS, max_examples=500, stateful_step_count=50, phases=[Phase.generate], report_multiple_bugs=False)


def test_no_interleaving_breaks_the_claim_protocol() -> None:
    run_state_machine_as_test(ClaimProtocol, settings=STEPS)


def test_a_protocol_without_fencing_is_caught() -> None:
    # Given scripts whose lease check ignores the fencing token
    sources = store.script_sources()
    broken = {
        name: text.replace("return state[1] == 'running' and state[2] == token", "return state[1] == 'running'")
        for name, text in sources.items()
    }
    assert broken != sources
    # When the machine explores them, then it finds a stale write
    with patch.object(store, "script_sources", return_value=broken), pytest.raises(AssertionError):
        run_state_machine_as_test(ClaimProtocol, settings=FIND)
