"""The one thread that owns an engine: rows join between any two steps, and whoever submitted them waits on a future."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from common.errors import EngineError, FinanceLLMError
from common.finance_tasks import Task
from common.jobs import GenerateRequest
from common.telemetry import get_logger
from worker.engine.base import Engine, EngineRequest, FinishReason, TokenEvent
from worker.engine.requests import sampling_of
from worker.engine.rows import AbortReason, RowAbortedError, RowHandle
from worker.engine.text import TextAssembler, Tokenizer
from worker.rate import RateMeter

logger = get_logger("engine")

IDLE_WAIT_S = 0.5

OnStep = Callable[[float], None]


class EngineLoop:
    """Feeds one engine and hands out what it makes; rows beyond `max_rows` wait here, urgent ones first.

    When a step raises, a fresh engine takes over, and the rows that were in the broken one go on from where they stood
    one at a time: so the row that breaks the engine fails with EngineError, and no other. The same goes for a row whose
    admission raises what no engine promises. `on_step` gets the seconds of each step.
    """

    def __init__(
        self,
        build: Callable[[], Engine],
        tokenizer: Tokenizer,
        on_step: OnStep = lambda seconds: None,
    ) -> None:
        self._build = build
        self._tokenizer = tokenizer
        self._on_step = on_step
        self._arrivals: queue.SimpleQueue[RowHandle | None] = queue.SimpleQueue()
        self._rows: dict[int, RowHandle] = {}
        self._waiting: list[RowHandle] = []
        self._suspects: deque[RowHandle] = deque()
        self._closing = False
        self._closed = threading.Lock()
        self.engine = build()
        self.rate = RateMeter()
        self.step_started_s: float | None = None
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="engine-loop", daemon=True)
        self._thread.start()

    def submit(
        self,
        request: GenerateRequest,
        prompt_token_ids: list[int],
        urgent: bool,
        deadline_s: float | None,
        written: str = "",
    ) -> RowHandle:
        """Queue a row for admission before the next step with room; its future ends with a RowOutcome or an error.

        `written` is text of the same answer that came before this row and is shown with it.
        """
        engine_request = EngineRequest(
            prompt_token_ids=tuple(prompt_token_ids),
            max_tokens=request.max_tokens,
            sampling=sampling_of(request),
            stop_token_ids=self._tokenizer.stop_token_ids,
            urgent=urgent,
            logprobs=request.task is not Task.TEXT and self.engine.capabilities.logprobs,
        )
        handle = RowHandle(engine_request, TextAssembler(self._tokenizer, request.stop), deadline_s, written)
        with self._closed:
            if self._closing:
                handle.fail(RowAbortedError(AbortReason.RELEASED))
            else:
                self._arrivals.put(handle)
        return handle

    @property
    def rows(self) -> int:
        """Rows in the engine."""
        return len(self._rows)

    def close(self) -> None:
        """Hand back every row, stop the thread and close the engine."""
        with self._closed:
            self._closing = True
        self._arrivals.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._admit()
                self._take_out_aborted()
                if self.engine.has_work():
                    self._step()
        except BaseException as error:
            # Nothing can be served without the loop; the watchdog ends the process.
            self.failure = error
            logger.exception("engine loop ended")
        finally:
            with self._closed:
                self._closing = True
            self._hand_back_all()
            self.engine.close()

    def _admit(self) -> None:
        if self._suspects:
            if not self._rows:
                self._add(self._suspects.popleft())
            return
        self._collect_arrivals()
        # A second try of a job goes before a job that has not begun.
        self._waiting.sort(key=lambda handle: (not handle.request.urgent, not handle.written))
        while self._waiting and self._has_room_for(self._waiting[0]):
            self._add(self._waiting.pop(0))

    def _collect_arrivals(self) -> None:
        wait = not self._waiting and not self.engine.has_work()
        while True:
            try:
                handle = self._arrivals.get(timeout=IDLE_WAIT_S) if wait else self._arrivals.get_nowait()
            except queue.Empty:
                return
            wait = False
            if handle is not None:
                self._waiting.append(handle)

    def _has_room_for(self, handle: RowHandle) -> bool:
        if len(self._rows) < self.engine.capabilities.max_rows:
            return True
        # The engine may give it a bulk row's place, and puts it first otherwise.
        return handle.request.urgent and not all(row.request.urgent for row in self._rows.values())

    def _add(self, handle: RowHandle) -> None:
        now_s = time.monotonic()
        handle.check_deadline(now_s)
        if handle.abort_reason is not None:
            handle.fail(RowAbortedError(handle.abort_reason))
            return
        if handle.admitted_s is None:
            handle.admitted_s = now_s
        try:
            row = self.engine.add(handle.remaining_request())
        except FinanceLLMError as error:
            handle.fail(error)
            return
        except Exception as error:
            logger.exception("engine admission failed", rows=len(self._rows))
            handle.fail(_failed_on_request(error))
            self._replace_engine()
            return
        self._rows[row] = handle

    def _take_out_aborted(self) -> None:
        now_s = time.monotonic()
        for handle in list(self._waiting):
            handle.check_deadline(now_s)
            if handle.abort_reason is not None:
                self._waiting.remove(handle)
                handle.fail(RowAbortedError(handle.abort_reason))
        for row, handle in list(self._rows.items()):
            handle.check_deadline(now_s)
            if handle.abort_reason is not None:
                self.engine.abort(row)
                del self._rows[row]
                handle.fail(RowAbortedError(handle.abort_reason))

    def _step(self) -> None:
        rows = len(self._rows)
        self.step_started_s = started_s = time.monotonic()
        try:
            events = self.engine.step()
        except Exception as error:
            logger.exception("engine step failed", rows=rows)
            self._fail_lone_row(error)
            self._replace_engine()
            return
        finally:
            self.step_started_s = None
        tokens = 0
        stepped: set[int] = set()
        for event in events:
            tokens += self._take(event, first_of_step=event.row not in stepped)
            stepped.add(event.row)
        seconds = time.monotonic() - started_s
        self.rate.record(tokens, seconds)
        self._on_step(seconds)

    def _take(self, event: TokenEvent, first_of_step: bool) -> int:
        """Apply one event; return how many tokens of work it stands for."""
        handle = self._rows.get(event.row)
        if handle is None:
            return 0
        if event.token_id is None:
            del self._rows[event.row]
            handle.fail(event.error or EngineError("The engine gave up a row without a reason."))
            return 0
        work = handle.take(event.token_id, event, first_of_step)
        if event.finish_reason is not None:
            del self._rows[event.row]
            handle.finish(event.finish_reason)
        elif handle.assembler.stopped:
            del self._rows[event.row]
            self.engine.abort(event.row)
            handle.finish(FinishReason.STOP)
        return work

    def _fail_lone_row(self, cause: Exception) -> None:
        if len(self._rows) == 1:
            _, handle = self._rows.popitem()
            handle.fail(_failed_on_request(cause))

    def _replace_engine(self) -> None:
        self._suspects.extend(self._rows.values())
        self._rows = {}
        self.engine.close()
        self.engine = self._build()

    def _hand_back_all(self) -> None:
        handles = [*self._rows.values(), *self._waiting, *self._suspects]
        self._rows = {}
        self._waiting.clear()
        self._suspects.clear()
        while True:
            try:
                handle = self._arrivals.get_nowait()
            except queue.Empty:
                break
            if handle is not None:
                handles.append(handle)
        for handle in handles:
            handle.fail(RowAbortedError(handle.abort_reason or AbortReason.RELEASED))


def _failed_on_request(cause: Exception) -> EngineError:
    return EngineError(f"The engine failed on this request: {type(cause).__name__}.")
