"""Writes new text of all running jobs to their event logs, one call for all of them."""

import threading
from typing import Any

from common import operations
from common.store import JobStore
from worker.lease import HeldJob, LeaseKeeper


class ProgressWriter:
    """Coalesces tokens, so that Redis sees a few calls a second and worker, not one a token.

    A call whose answer was lost is sent again word for word, and the script knows an event by its offset: so no text is
    missing from a log and none is there twice.
    """

    def __init__(self, store: JobStore, keeper: LeaseKeeper) -> None:
        self._store = store
        self._keeper = keeper
        self._lock = threading.Lock()
        self._unanswered: list[tuple[HeldJob, str]] = []

    def flush(self) -> None:
        """Append what each job's text grew by since the last call; raises UnavailableError."""
        with self._lock:
            self._send()
            self._unanswered = [(job, text) for job in self._keeper.held() if (text := _new_text(job))]
            self._send()

    def last_text(self, job: HeldJob, text: str) -> dict[str, Any] | None:
        """Return the data of a job's last token event, to be written with its result; None if all text is out.

        Raises UnavailableError while it is unknown what is out.
        """
        with self._lock:
            if any(job is unanswered for unanswered, _ in self._unanswered):
                self._send()
            job.finished = True
            rest = text[job.sent_characters :]
            return _token_event(job, rest) if rest else None

    def _send(self) -> None:
        if not self._unanswered:
            return
        jobs = [job for job, _ in self._unanswered]
        deltas = [(*job.lease, _token_event(job, text)) for job, text in self._unanswered]
        states = self._store.run(operations.progress(deltas))
        for job, text in self._unanswered:
            job.sent_characters += len(text)
        self._unanswered = []
        self._keeper.apply(jobs, states)


def _token_event(job: HeldJob, text: str) -> dict[str, Any]:
    return {"attempt": job.claim.job.attempt, "offset": job.sent_characters, "text": text}


def _new_text(job: HeldJob) -> str:
    if job.handle is None or job.finished:
        return ""
    return job.handle.text[job.sent_characters :]
