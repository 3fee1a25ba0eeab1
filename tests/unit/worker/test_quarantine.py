"""Suspects run alone, and nobody holds a claim while he waits for one."""

import threading
import time
from collections.abc import Callable

import pytest

from common import operations
from common.errors import UnavailableError
from common.jobs import Lane
from common.leases import ClaimedJob
from common.store import JobStore
from tests.support.values import new_job
from worker.quarantine import QuarantineGate

TIMEOUT_S = 10


def claimed(store: JobStore, losses: int) -> ClaimedJob:
    job = new_job()
    store.run(operations.submit(job, 1_000_000, 3600))
    claim = store.run(operations.claim("w1", Lane.INTERACTIVE, 20_000))
    assert claim is not None
    return ClaimedJob(claim.job, claim.claimed_at_ms, losses)


class Block:
    """A thread inside the gate, which stays until it is let go."""

    def __init__(self, gate: QuarantineGate, claim: Callable[[], ClaimedJob | None]) -> None:
        self.released: list[ClaimedJob] = []
        self.got: ClaimedJob | None = None
        self.inside = threading.Event()
        self.outside = threading.Event()
        self._leave = threading.Event()
        self._gate, self._claim = gate, claim
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._gate.admit(self._claim, self.released.append) as self.got:
            if self.got is not None:
                self.inside.set()
                self._leave.wait(TIMEOUT_S)
        self.outside.set()

    def leave(self) -> None:
        self._leave.set()
        assert self.outside.wait(TIMEOUT_S)


def test_ordinary_jobs_run_side_by_side(memory_store: JobStore) -> None:
    gate = QuarantineGate(1)
    blocks = [Block(gate, lambda: claimed(memory_store, 0)) for _ in range(3)]
    assert all(block.inside.wait(TIMEOUT_S) for block in blocks)
    for block in blocks:
        block.leave()


def test_a_suspect_waits_unclaimed_for_the_others_and_keeps_newcomers_out(memory_store: JobStore) -> None:
    # Given a running job, when a suspect is claimed
    gate = QuarantineGate(1)
    ordinary = Block(gate, lambda: claimed(memory_store, 0))
    assert ordinary.inside.wait(TIMEOUT_S)
    suspect = Block(gate, lambda: claimed(memory_store, 1))
    while not suspect.released:
        time.sleep(0.001)
    # Then it is handed back while it waits, and nobody else so much as claims
    claims: list[int] = []

    def claim() -> ClaimedJob:
        claims.append(1)
        return claimed(memory_store, 0)

    newcomer = Block(gate, claim)
    assert not suspect.inside.wait(0.05)
    assert not claims
    # and runs when the other is through, still with nobody beside it
    ordinary.leave()
    assert suspect.inside.wait(TIMEOUT_S)
    assert not newcomer.inside.wait(0.05)
    assert not claims
    suspect.leave()
    assert newcomer.inside.wait(TIMEOUT_S)
    newcomer.leave()


def test_suspects_run_one_after_the_other(memory_store: JobStore) -> None:
    gate = QuarantineGate(1)
    first = Block(gate, lambda: claimed(memory_store, 1))
    assert first.inside.wait(TIMEOUT_S)
    second = Block(gate, lambda: claimed(memory_store, 2))
    assert not second.inside.wait(0.05)
    first.leave()
    assert second.inside.wait(TIMEOUT_S)
    assert not second.released
    second.leave()


def test_the_limit_of_losses_is_a_setting(memory_store: JobStore) -> None:
    gate = QuarantineGate(2)
    blocks = [Block(gate, lambda: claimed(memory_store, 1)) for _ in range(2)]
    assert all(block.inside.wait(TIMEOUT_S) for block in blocks)
    for block in blocks:
        block.leave()


def test_a_failed_claim_leaves_the_gate_open(memory_store: JobStore) -> None:
    gate = QuarantineGate(1)

    def fail() -> ClaimedJob | None:
        raise UnavailableError("away")

    with pytest.raises(UnavailableError), gate.admit(fail, lambda _: None):
        pass
    with gate.admit(lambda: None, lambda _: None) as nothing:
        assert nothing is None
    block = Block(gate, lambda: claimed(memory_store, 0))
    assert block.inside.wait(TIMEOUT_S)
    block.leave()


def test_closing_lets_everybody_go_who_waits(memory_store: JobStore) -> None:
    gate = QuarantineGate(1)
    ordinary = Block(gate, lambda: claimed(memory_store, 0))
    assert ordinary.inside.wait(TIMEOUT_S)
    suspect = Block(gate, lambda: claimed(memory_store, 1))
    newcomer = Block(gate, lambda: claimed(memory_store, 0))
    time.sleep(0.02)
    gate.close()
    assert suspect.outside.wait(TIMEOUT_S)
    assert newcomer.outside.wait(TIMEOUT_S)
    assert suspect.got is None
    assert newcomer.got is None
    ordinary.leave()
