"""The engine loop against engines that a test steers."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from common.errors import EngineError, PromptTooLongError
from common.jobs import GenerateRequest
from common.prompts import Message, Role
from worker.engine.base import EngineRequest, FinishReason, Sampling, TokenEvent
from worker.engine.fake import ByteTokenizer, FakeEngine
from worker.engine.loop import EngineLoop
from worker.engine.rows import AbortReason, RowAbortedError, RowOutcome

LONG = "<<long>>"
TIMEOUT_S = 20


def request(text: str = "", max_tokens: int = 12, stop: tuple[str, ...] = ()) -> GenerateRequest:
    return GenerateRequest(messages=(Message(Role.USER, text),), max_tokens=max_tokens, stop=stop)


def prompt(text: str) -> list[int]:
    return list(text.encode())


class FailingEngine(FakeEngine):
    """Raises in every step that has a row whose prompt says so, as a native crash turned exception would."""

    def __init__(self) -> None:
        super().__init__(max_rows=8, max_row_tokens=1_000, step_ms=1, faults=True)
        self.closed = False

    def step(self) -> list[TokenEvent]:
        if any(b"break" in bytes(row.request.prompt_token_ids) for row in self._rows.values()):
            raise RuntimeError("broken")
        return super().step()

    def close(self) -> None:
        self.closed = True
        super().close()


class RecordingEngine(FakeEngine):
    """Keeps what was admitted, in order."""

    def __init__(self, max_rows: int, max_row_tokens: int, step_ms: float) -> None:
        super().__init__(max_rows, max_row_tokens, step_ms)
        self.added: list[EngineRequest] = []

    def add(self, request: EngineRequest) -> int:
        self.added.append(request)
        return super().add(request)


@contextmanager
def running(build: Callable[[], FakeEngine] | None = None, step_ms: float = 1) -> Iterator[EngineLoop]:
    loop = EngineLoop(build or (lambda: FakeEngine(4, 1_000, step_ms, faults=True)), ByteTokenizer())
    try:
        yield loop
    finally:
        loop.close()


def result(future: "Future[RowOutcome]") -> RowOutcome:
    return future.result(TIMEOUT_S)


def test_rows_are_finished_with_their_figures() -> None:
    with running() as loop:
        handles = [loop.submit(request(max_tokens=20), prompt(f"{LONG}{n}"), False, None) for n in range(4)]
        outcomes = [result(handle.future) for handle in handles]
    for outcome in outcomes:
        assert outcome.finish_reason is FinishReason.LENGTH
        assert (outcome.completion_tokens, outcome.prompt_tokens) == (20, len(LONG) + 1)
        assert len(outcome.text) == 20
        assert outcome.prefill_ms > 0
        assert outcome.decode_ms > 0
        assert 1 < outcome.batch_size_mean <= 4
    rate = loop.rate
    assert rate.tokens_per_second is None or rate.tokens_per_second > 0


def test_a_row_gives_the_same_alone_and_beside_others() -> None:
    with running() as loop:
        alone = result(loop.submit(request(), prompt("same"), False, None).future)
        together = [loop.submit(request(), prompt(text), False, None) for text in ("a", "same", "b", "c")]
        assert result(together[1].future).text == alone.text


def test_a_stop_string_ends_a_row_and_frees_its_place() -> None:
    with running() as loop:
        handle = loop.submit(request(max_tokens=500, stop=(" ",)), prompt(LONG), False, None)
        outcome = result(handle.future)
        assert outcome.finish_reason is FinishReason.STOP
        assert " " not in outcome.text
        assert outcome.text
        assert loop.rows == 0


def test_a_row_can_be_aborted_in_the_middle() -> None:
    with running(step_ms=5) as loop:
        handle = loop.submit(request(max_tokens=900), prompt(LONG), False, None)
        other = loop.submit(request(max_tokens=30), prompt(LONG), False, None)
        while not handle.text:
            time.sleep(0.001)
        handle.abort(AbortReason.CANCELLED)
        handle.abort(AbortReason.LOST)
        with pytest.raises(RowAbortedError) as caught:
            result(handle.future)
        assert caught.value.reason is AbortReason.CANCELLED
        assert result(other.future).completion_tokens == 30


def test_a_row_past_its_deadline_ends() -> None:
    with running(step_ms=5) as loop:
        handle = loop.submit(request(max_tokens=900), prompt(LONG), False, time.monotonic() + 0.05)
        late = loop.submit(request(), prompt("late"), False, time.monotonic() - 1)
        for expired in (handle, late):
            with pytest.raises(RowAbortedError) as caught:
                result(expired.future)
            assert caught.value.reason is AbortReason.EXPIRED


def test_a_row_that_can_never_run_is_refused_alone() -> None:
    with running() as loop:
        with pytest.raises(PromptTooLongError):
            result(loop.submit(request(max_tokens=2_000), prompt("x"), False, None).future)
        assert result(loop.submit(request(), prompt("x"), False, None).future).text


def test_only_the_row_that_breaks_the_engine_fails() -> None:
    # Given an engine with three rows in the middle of their answers
    engines: list[FailingEngine] = []

    def build() -> FailingEngine:
        engines.append(FailingEngine())
        return engines[-1]

    with running(build) as loop:
        good = [loop.submit(request(max_tokens=200), prompt(f"{LONG}{n}"), False, None) for n in range(3)]
        while not all(handle.text for handle in good):
            time.sleep(0.001)
        # When a row makes every step raise
        bad = loop.submit(request(), prompt("break"), False, None)
        with pytest.raises(EngineError, match="RuntimeError"):
            result(bad.future)
        # Then the others keep what they had and finish, and a row that comes later runs too
        before = [handle.text for handle in good]
        outcomes = [result(handle.future) for handle in good]
        assert result(loop.submit(request(), prompt("later"), False, None).future).text
    for text, outcome in zip(before, outcomes, strict=True):
        assert outcome.text.startswith(text)
        assert outcome.completion_tokens == 200
    # and every broken engine was closed
    assert len(engines) == 3
    assert all(engine.closed for engine in engines)


def test_a_row_whose_admission_raises_fails_alone() -> None:
    # Given a running row, and an engine whose library refuses some prompts with an error of its own
    class Refusing(FakeEngine):
        def add(self, request: EngineRequest) -> int:
            if b"refuse" in bytes(request.prompt_token_ids):
                raise ValueError("no such setting")
            return super().add(request)

    engines: list[Refusing] = []

    def build() -> Refusing:
        engines.append(Refusing(4, 1_000, 1, faults=True))
        return engines[-1]

    with running(build) as loop:
        good = loop.submit(request(max_tokens=200), prompt(LONG), False, None)
        while not good.text:
            time.sleep(0.001)
        # When such a prompt comes, then it fails, and the other goes on in a fresh engine
        with pytest.raises(EngineError, match="ValueError"):
            result(loop.submit(request(), prompt("refuse"), False, None).future)
        assert result(good.future).completion_tokens == 200
        assert result(loop.submit(request(), prompt("later"), False, None).future).text
        assert loop.failure is None
    assert len(engines) == 2


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (1e-310, 1e-50, Sampling(0.0, 1e-6)),
        (9e-6, 1.0, Sampling(0.0, 1.0)),
        (1e-5, 1e-6, Sampling(1e-5, 1e-6)),
        (0.7, 0.9, Sampling(0.7, 0.9)),
    ],
)
def test_tiny_sampling_values_never_reach_an_engine(temperature: float, top_p: float, expected: Sampling) -> None:
    """Given values that are 0 or overflow in float32, when submitted, then the engine gets some it can compute with."""
    engine = RecordingEngine(2, 1_000, 0)
    asked = request().model_copy(update={"temperature": temperature, "top_p": top_p})
    with running(lambda: engine) as loop:
        result(loop.submit(asked, prompt("x"), False, None).future)
    assert [added.sampling for added in engine.added] == [expected]


def test_an_engine_that_cannot_be_replaced_ends_the_loop_and_hands_rows_back() -> None:
    # Given an engine that breaks and cannot be built a second time
    built = iter([FailingEngine()])

    def build() -> FailingEngine:
        try:
            return next(built)
        except StopIteration:
            raise MemoryError("no memory") from None

    loop = EngineLoop(build, ByteTokenizer())
    good = loop.submit(request(max_tokens=900), prompt(LONG), False, None)
    while not good.text:
        time.sleep(0.001)
    loop.submit(request(), prompt("break"), False, None)
    # Then the failure is there for the watchdog, and no row is left waiting for ever
    with pytest.raises(RowAbortedError) as caught:
        result(good.future)
    assert caught.value.reason is AbortReason.RELEASED
    assert isinstance(loop.failure, MemoryError)
    with pytest.raises(RowAbortedError):
        result(loop.submit(request(), prompt("x"), False, None).future)


def test_closing_hands_every_row_back() -> None:
    loop = EngineLoop(lambda: FakeEngine(1, 1_000, 5, faults=True), ByteTokenizer())
    handles = [loop.submit(request(max_tokens=900), prompt(LONG), False, None) for _ in range(3)]
    while not handles[0].text:
        time.sleep(0.001)
    loop.close()
    for handle in handles:
        with pytest.raises(RowAbortedError) as caught:
            result(handle.future)
        assert caught.value.reason is AbortReason.RELEASED


def test_the_running_step_is_visible() -> None:
    class Stuck(FakeEngine):
        release = threading.Event()

        def step(self) -> list[TokenEvent]:
            self.release.wait(TIMEOUT_S)
            return super().step()

    with running(lambda: Stuck(1, 100, 0)) as loop:
        handle = loop.submit(request(), prompt("x"), False, None)
        while loop.step_started_s is None:
            time.sleep(0.001)
        Stuck.release.set()
        result(handle.future)


def test_urgent_rows_are_marked_for_the_engine() -> None:
    engine = RecordingEngine(2, 1_000, 0)
    with running(lambda: engine) as loop:
        result(loop.submit(request(), prompt("x"), True, None).future)
    assert [added.urgent for added in engine.added] == [True]
    assert engine.added[0].stop_token_ids == ByteTokenizer.stop_token_ids


def test_a_row_claimed_ahead_waits_for_the_next_end() -> None:
    """Given a full engine, when one more row comes, then it joins as one ends, its wait told apart from its prefill."""
    with running(lambda: FakeEngine(1, 1_000, 5)) as loop:
        first = loop.submit(request(max_tokens=40), prompt(LONG), False, None)
        ahead = loop.submit(request(max_tokens=2), prompt(LONG), False, None)
        while not first.text:
            time.sleep(0.001)
        assert loop.rows == 1
        done, waited = result(first.future), result(ahead.future)
    assert waited.wait_ms > done.decode_ms
    assert waited.prefill_ms < done.decode_ms
    assert done.wait_ms < waited.wait_ms


def test_a_row_ahead_joins_at_once_when_all_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a row that waits for a place, when the engine runs empty, then no further arrival is waited for first."""
    monkeypatch.setattr("worker.engine.loop.IDLE_WAIT_S", 60.0)
    with running(lambda: FakeEngine(1, 1_000, 5)) as loop:
        handles = [loop.submit(request(max_tokens=10), prompt(LONG), False, None) for _ in range(2)]
        assert result(handles[1].future).wait_ms > 0
        loop.submit(request(max_tokens=1), prompt(LONG), False, None)  # wakes the loop for its end


@pytest.mark.parametrize(("urgent", "written"), [(False, "=1+"), (True, "")])
def test_second_tries_and_urgent_rows_go_before_a_job_that_has_not_begun(urgent: bool, written: str) -> None:
    """Given a full engine and a bulk job ahead, when a second try or an urgent row comes, then it is admitted first."""
    engine = RecordingEngine(1, 1_000, 5)
    with running(lambda: engine) as loop:
        first = loop.submit(request(max_tokens=40), prompt(LONG), False, None)
        while not first.text:
            time.sleep(0.001)
        ahead = loop.submit(request(max_tokens=2), prompt(LONG), False, None)
        later = loop.submit(request(max_tokens=3), prompt(LONG), urgent, None, written)
        for handle in (first, ahead, later):
            result(handle.future)
    assert [added.max_tokens for added in engine.added] == [40, 3, 2]


def test_a_row_claimed_ahead_can_be_taken_out() -> None:
    """Given a row that waits for a place, when it is cancelled or its time is up, then it ends without one."""
    with running(lambda: FakeEngine(1, 1_000, 20)) as loop:
        first = loop.submit(request(max_tokens=40), prompt(LONG), False, None)
        cancelled = loop.submit(request(), prompt(LONG), False, None)
        late = loop.submit(request(), prompt(LONG), False, time.monotonic() + 0.02)
        cancelled.abort(AbortReason.CANCELLED)
        for handle, reason in ((cancelled, AbortReason.CANCELLED), (late, AbortReason.EXPIRED)):
            with pytest.raises(RowAbortedError) as caught:
                result(handle.future)
            assert caught.value.reason is reason
            assert not first.future.done()
        assert result(first.future).completion_tokens == 40


def test_two_tries_are_one_account() -> None:
    """Given a job's two rows, when they are told as one, then waits, times and tokens are added."""
    with running() as loop:
        first, second = (result(loop.submit(request(max_tokens=8), prompt(LONG), False, None).future) for _ in range(2))
    both = first.followed_by(second)
    assert both.wait_ms == first.wait_ms + second.wait_ms > 0
    assert both.prefill_ms == first.prefill_ms + second.prefill_ms
    assert (both.rows, both.completion_tokens) == (2, 16)
