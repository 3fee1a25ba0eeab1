"""Bulk runs in one process: a batch file, a feeder that can be made to crash at any step, and a playing engine."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from common import operations, run_operations
from common.batches import BatchSpec
from common.bulk import BulkRun, NewRun, RunKind, RunStream, new_run_id
from common.files import FileStore
from common.jobs import GenerateResult, JobError, JobStatus, Lane, Timings
from common.keys import Keys
from common.operations import Operation
from common.store import JobStore
from common.stored_files import NewFile, create_file, new_file_id
from worker.bulk.batches import BatchSource
from worker.bulk.feed import FeedContext, RunFeed

T = TypeVar("T")
CALLER = "tester"
TIMINGS = Timings(
    queue_ms=0, tokenize_ms=0, prefill_ms=1, decode_ms=1, total_ms=0, prompt_tokens=5, cached_prompt_tokens=0,
    completion_tokens=2, decode_tokens_per_second=None, batch_size_mean=1, engine="fake", model_revision="r1",
)  # fmt: skip


class Crash(BaseException):
    """The process dies here; nothing in the product catches it."""


class CrashingStore(JobStore):
    """A store whose user dies before or after its nth operation has reached Redis."""

    def __init__(self, client: Any, keys: Keys, step: int, after: bool) -> None:
        super().__init__(client, keys)
        self._left = step
        self._after = after
        self.steps = 0

    def run(self, operation: Operation[T]) -> T:
        """Run it, or die."""
        self.steps += 1
        if self.steps == self._left:
            if self._after:
                super().run(operation)
            raise Crash
        return super().run(operation)


def chat_line(custom_id: str, text: str, **body: Any) -> str:
    """Return one line of a batch file."""
    chat = {"model": "financellm", "messages": [{"role": "user", "content": text}], "max_tokens": 8} | body
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": chat})


class BulkBench:
    """One store and one folder; `play` does what engines do."""

    def __init__(self, store: JobStore, folder: Path) -> None:
        self.store = store
        self.files = FileStore(str(folder / "files"))
        self.asked: Counter[str] = Counter()
        self.now_expired = False

    def submit(self, lines: list[str], expires_after_s: int = 3600) -> BulkRun:
        """Store an input file and accept a batch over it."""
        file_id = new_file_id()
        data = "\n".join(lines).encode()
        self.files.write(f"files/{file_id}", data)
        new = NewFile(
            id=file_id, caller=CALLER, purpose="batch", filename="in.jsonl", key=f"files/{file_id}", bytes=len(data)
        )
        self.store.run(create_file(new))
        spec = BatchSpec(endpoint="/v1/chat/completions", input_file_id=file_id, input_key=f"files/{file_id}")
        run = self.store.run(
            run_operations.create_run(
                NewRun(
                    id=new_run_id(RunKind.BATCH),
                    kind=RunKind.BATCH,
                    caller=CALLER,
                    spec=spec.model_dump(),
                    expires_after_s=expires_after_s,
                    input_file_id=file_id,
                )
            )
        )
        assert run is not None
        return run

    def play(self) -> None:
        """Answer every waiting job."""
        while self.answer_next():
            pass

    def answer_next(self) -> bool:
        """Answer the next waiting job, False if there is none; texts that begin with `fail` fail."""
        claimed = self.store.run(operations.claim("player", Lane.BULK, 60_000))
        if claimed is None:
            return False
        job = claimed.job
        text = job.request.messages[-1].content
        self.asked[job.id] += 1
        if text.startswith("fail"):
            error = JobError(code="engine_error", message="no")
            self.store.run(operations.end(job.id, job.fencing_token, JobStatus.FAILED, error))
        else:
            result = GenerateResult(text=f"answer to {text}", finish_reason="stop", timings=TIMINGS)
            self.store.run(operations.succeed(job.id, job.fencing_token, result))
        return True

    def feed(self, store: JobStore | None = None, playing: bool = True, share: int = 4) -> BulkRun | None:
        """Lease the next run, in place of whoever held it, and feed it to its end."""
        self.store.client.delete(f"{self.store.keys.root}run_leases")
        run = self.store.run(run_operations.lease_run(60_000))
        if run is None:
            return None
        context = self.context(store, playing, share)
        RunFeed(context, run, BatchSource(run, self.files), lambda: False).work()
        return self.run(run.id)

    def context(self, store: JobStore | None = None, playing: bool = True, share: int = 4) -> FeedContext:
        """Return what feeds share; while they wait, the player answers."""
        return FeedContext(
            store=store or self.store,
            files=self.files,
            count_tokens=lambda request: sum(len(message.content) for message in request.messages),
            limit_tokens=4_096,
            max_backlog_tokens=1_000_000,
            share=lambda: share,
            send_permit=lambda _job_id: None,
            note_record=lambda _record: None,
            wait=lambda _seconds: self.play() if playing else time.sleep(0.002),
        )

    def run(self, run_id: str) -> BulkRun:
        """Read a run."""
        run = self.store.run(run_operations.describe_run(run_id, CALLER, RunKind.BATCH))
        assert run is not None
        return run

    def rows(self, run: BulkRun, stream: RunStream) -> list[dict[str, Any]]:
        """Read the records that count."""
        return [json.loads(line) for line in self._lines(run, stream)]

    def left_in_redis(self) -> list[str]:
        """Return the keys of jobs and open items that runs left behind."""
        marks = ("job:", "events:", "run_open:", "waiting:", "leases", "deadlines", "expiring", "runs_active")
        keys: Any = self.store.client.keys(f"{self.store.keys.root}*")
        return [key for key in keys if key.removeprefix(self.store.keys.root).startswith(marks)]

    def _lines(self, run: BulkRun, stream: RunStream) -> Iterator[bytes]:
        for part in self.store.run(run_operations.run_parts(run.id)):
            if part.stream is stream:
                lines = b"".join(self.files.chunks(part.key(run.id))).splitlines()
                assert len(lines) == part.rows
                yield from lines


def in_thread(work: Any) -> threading.Thread:
    """Run something beside the test."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
