"""What the model writes for a job: one row of the engine, and a second one where its line cannot be read."""

import time
from dataclasses import dataclass

from common.answers import read_answer, retry_prefix
from common.errors import UnparseableAnswerError
from common.finance_tasks import Task
from common.jobs import GenerateRequest, Lane
from worker.engine.loop import EngineLoop
from worker.engine.rows import RowOutcome
from worker.engine.text import Tokenizer
from worker.lease import HeldJob

TRY_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True)
class Generation:
    """A job's output: `line` is what the answer is read from, `written` all text of the job so far."""

    line: str
    written: str
    outcome: RowOutcome
    tokenize_ms: float
    retried: bool


class LineGenerator:
    """Puts a job's rows into the engine, one after the other, and waits for them."""

    def __init__(self, loop: EngineLoop, tokenizer: Tokenizer) -> None:
        self._loop = loop
        self._tokenizer = tokenizer

    def generate(self, held: HeldJob, request: GenerateRequest, before: str = "") -> Generation:
        """Return what the model wrote for one prompt of a job, `before` being the job's text so far.

        Raises RowAbortedError for a job taken out in either try, or the row's error.
        """
        started_s = time.monotonic()
        prompt = self._tokenizer.encode_chat(request.messages)
        tokenize_ms = 1000 * (time.monotonic() - started_s)
        first = self._run(held, request, prompt, before)
        written = before + first.text
        if request.task is not Task.FIGURES or _is_readable(first.text):
            return Generation(first.text, written, first, tokenize_ms, retried=False)
        prefix = retry_prefix(first.text)
        prefix_token_ids = self._tokenizer.encode_text(prefix)
        # The prefix takes its place in the answer, so that the second row is no longer than the one that was admitted.
        left_tokens = request.max_tokens - len(prefix_token_ids)
        if not prefix or left_tokens < 1:
            return Generation(first.text, written, first, tokenize_ms, retried=False)
        written = f"{written}{TRY_SEPARATOR}{prefix}"
        shorter = request.model_copy(update={"max_tokens": left_tokens})
        second = self._run(held, shorter, [*prompt, *prefix_token_ids], written)
        return Generation(
            prefix + second.text, written + second.text, first.followed_by(second), tokenize_ms, retried=True
        )

    def _run(self, held: HeldJob, request: GenerateRequest, prompt: list[int], written: str) -> RowOutcome:
        urgent = held.claim.job.lane is Lane.INTERACTIVE
        handle = self._loop.submit(request, prompt, urgent, held.deadline_s, written)
        held.attach(handle)
        return handle.future.result()


def _is_readable(line: str) -> bool:
    try:
        read_answer(line, None)
    except UnparseableAnswerError:
        return False
    return True
