"""Part files: the records of some ended items, written before anything in Redis counts them."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO

from common.bulk import BulkRun, Part, RunStream, run_folder
from common.errors import LeaseLostError
from common.files import FileStore


class PartWriter:
    """Writes one part a stream.

    A name holds the number of the write and the fencing token, so that a feeder that lost its lease without knowing
    can never overwrite what its successor wrote.
    """

    def __init__(self, files: FileStore, run: BulkRun, number: int) -> None:
        self._files = files
        self._folder = run_folder(run.id)
        self._suffix = f"{number:08d}-{run.fencing_token}"
        self._open = ExitStack()
        self._streams: dict[RunStream, BinaryIO] = {}
        self._rows: dict[RunStream, int] = {}
        self._bytes: dict[RunStream, int] = {}

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def add(self, stream: RunStream, line: bytes) -> None:
        """Append one record."""
        if stream not in self._streams:
            key = f"{self._folder}{self._name(stream)}"
            self._streams[stream] = self._open.enter_context(self._files.writing(key))
        self._streams[stream].write(line + b"\n")
        self._rows[stream] = self._rows.get(stream, 0) + 1
        self._bytes[stream] = self._bytes.get(stream, 0) + len(line) + 1

    @property
    def parts(self) -> tuple[Part, ...]:
        """What was written; the files are whole once the block has ended."""
        return tuple(
            Part(stream=stream, name=self._name(stream), rows=self._rows[stream], bytes=self._bytes[stream])
            for stream in self._streams
        )

    def _name(self, stream: RunStream) -> str:
        return f"{stream}-{self._suffix}"


def joined(files: FileStore, run: BulkRun, parts: Iterable[Part], stopped: Callable[[], bool]) -> tuple[Part, ...]:
    """Write one part a stream from the listed ones, piece by piece; raises LeaseLostError when told to stop."""
    listed = list(parts)
    result = []
    for stream in RunStream:
        chosen = [part for part in listed if part.stream is stream]
        if not chosen:
            continue
        whole = Part(
            stream=stream,
            name=f"{stream}-all-{run.fencing_token}",
            rows=sum(part.rows for part in chosen),
            bytes=sum(part.bytes for part in chosen),
        )
        with files.writing(whole.key(run.id)) as target:
            for part in chosen:
                if stopped():
                    raise LeaseLostError("Joining the parts was broken off; another worker starts it again.")
                for chunk in files.chunks(part.key(run.id)):
                    target.write(chunk)
        result.append(whole)
    return tuple(result)


def sweep(files: FileStore, run: BulkRun, kept: Iterable[Part]) -> None:
    """Remove every file of the run that is not among the parts to be kept."""
    kept_keys = {part.key(run.id) for part in kept}
    for key in files.keys(run_folder(run.id)):
        if key not in kept_keys:
            files.delete(key)
