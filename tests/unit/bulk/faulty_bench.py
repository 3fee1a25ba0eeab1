"""A bulk bench whose file store fails as a bucket or a disk does, fed as a worker feeds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from botocore.exceptions import ClientError, EndpointConnectionError
from prometheus_client import CollectorRegistry
from s3fs.errors import translate_boto_error

from common.bulk import BulkRun
from common.files import FileStore
from common.run_operations import ENDED_RUN_TTL_MS
from common.store import JobStore
from common.telemetry import BulkMetrics
from tests.support.bulk_runs import BulkBench, chat_line
from worker.bulk.feeder import BulkFeeder
from worker.settings import WorkerSettings

LINES = [chat_line(f"row-{number}", f"question {number}") for number in range(8)]
# So many faults end a run here.
MOST = 3
AWAY = EndpointConnectionError(endpoint_url="http://bucket")


def answer(status: int, code: str) -> Exception:
    """What a bucket's answer becomes on its way to us."""
    response: Any = {"Error": {"Code": code, "Message": "told"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: Exception = translate_boto_error(ClientError(response, "PutObject"))
    return error


DENIED, NO_BUCKET = answer(403, "AccessDenied"), answer(404, "NoSuchBucket")


class FaultyFiles(FileStore):
    """A store whose calls raise `error` while there is one; `good_writes` go well before it comes."""

    error: Exception | None = None
    good_writes = 0

    def open(self, key: str) -> BinaryIO:
        """Open a file, unless reading is at fault too."""
        self._check()
        return super().open(key)

    @contextmanager
    def writing(self, key: str) -> Iterator[BinaryIO]:
        """Write, as long as writes go well."""
        self.good_writes -= 1
        self._check()
        with super().writing(key) as file:
            yield file

    def keys(self, folder: str) -> list[str]:
        """List a folder."""
        self._check()
        return super().keys(folder)

    def _check(self) -> None:
        if self.error is not None and self.good_writes < 0:
            raise self.error


class FaultyBench(BulkBench):
    """A bench whose files may be away, fed as a worker feeds; the engine answers one job at a time."""

    files: FaultyFiles

    def __init__(self, store: JobStore, folder: Path) -> None:
        super().__init__(store, folder)
        self.folder = folder
        self.files = FaultyFiles(str(folder / "files"))
        metrics = BulkMetrics(CollectorRegistry())
        self._feeder = BulkFeeder(store, self.files, WorkerSettings(engine="fake"), self.context(), metrics)

    def another_worker(self) -> Self:
        """Return a worker over the same store and files."""
        return type(self)(self.store, self.folder)

    def play(self) -> None:
        """Answer one job."""
        self.answer_next()

    def feed_once(self) -> BulkRun | None:
        """Let a worker take a run and feed it until it ends or rests; a resting one has rested enough."""
        active: Any = self.store.client.zrange(f"{self.store.keys.root}runs_active", 0, 0)
        for run_id in active:
            self.store.client.hdel(self.store.keys.run(run_id), "not_before_ms")
        self._feeder._take_run()
        while self._feeder.running():
            time.sleep(0.001)
        return self.run(active[0]) if active else None

    def rest_ms(self, run: BulkRun) -> int:
        """Return how long a run rests from now on."""
        clock: Any = self.store.client.time()
        not_before: Any = self.store.client.hget(self.store.keys.run(run.id), "not_before_ms")
        now_ms: int = clock[0] * 1000 + clock[1] // 1000
        return int(not_before) - now_ms

    def left_ms(self, key: str) -> int:
        """Return how long a key is kept, -1 if for good."""
        left_ms: Any = self.store.client.pttl(key)
        return int(left_ms)

    def is_kept_for_a_while(self, run: BulkRun) -> bool:
        """Tell whether the record of an ended run expires."""
        return 0 < self.left_ms(self.store.keys.run(run.id)) <= ENDED_RUN_TTL_MS

    def jobs(self) -> int:
        """Return how many jobs are in Redis."""
        keys: Any = self.store.client.keys(f"{self.store.keys.root}job:*")
        return len(keys)


def begun(bench: FaultyBench) -> BulkRun:
    """Accept a batch and leave it after its first part, with two answered items and two whose jobs wait."""
    run = bench.submit(LINES)
    bench.files.error, bench.files.good_writes = RuntimeError("once"), 1
    assert bench.feed_once() is not None
    bench.files.error = None
    return bench.run(run.id)
