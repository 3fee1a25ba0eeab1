"""The sandboxed half of the fuzzer: reads files from standard input under limits, one JSON line for each.

The time a file may take is processor time, so that a busy machine makes no file look slow; its end is SIGPROF.
"""

import io
import json
import resource
import signal
import struct
import sys
from typing import BinaryIO

from api.archives import DAMAGE, ArchiveError, ArchiveLimits, archive_files, is_archive
from worker.retrieval.limits import ParseLimits
from worker.retrieval.parse import parse_document
from worker.retrieval.problems import DocumentError

HEAD = struct.Struct(">4sI")
MOST_MEMORY_BYTES = 1 << 30
LIMITS = ParseLimits(max_seconds=3_600.0)
ARCHIVE_LIMITS = ArchiveLimits(max_files=100, max_file_bytes=1 << 20, max_total_bytes=10 << 20)
MOST_READ_BYTES = 2 << 20


def outcome(kind: str, data: bytes) -> str:
    """Return what became of a file: `read`, the code of its refusal, or `crash` with the exception nobody caught."""
    try:
        return _archive(data) if kind == "zip" else _document(kind, data)
    except MemoryError:
        return "out_of_memory"
    except Exception as error:
        return f"crash {type(error).__name__}: {str(error)[:200]}"


def main() -> None:
    """Answer files until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    seconds = float(sys.argv[1])
    while head := sys.stdin.buffer.read(HEAD.size):
        kind, size = HEAD.unpack(head)
        data = sys.stdin.buffer.read(size)
        # Nobody handles the signal, so it ends the process wherever it is, in native code too.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        found = outcome(kind.decode().strip(), data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def _document(kind: str, data: bytes) -> str:
    try:
        parse_document(f"file.{kind}", data, LIMITS)
    except DocumentError as error:
        return error.problem
    return "read"


def _archive(data: bytes) -> str:
    file: BinaryIO = io.BytesIO(data)
    if not is_archive("file.zip", file):
        return "no_archive"
    file.seek(0)
    refused = ""
    try:
        for entry in archive_files(file, ARCHIVE_LIMITS):
            if entry.content is None:
                refused = entry.error.code if entry.error else ""
                continue
            try:
                # More than the limit of one file would be a hole in it.
                assert len(entry.content.read(MOST_READ_BYTES)) <= ARCHIVE_LIMITS.max_file_bytes
            except DAMAGE:
                refused = "archive_damaged"
    except ArchiveError as error:
        return error.error.code
    return refused or "read"


if __name__ == "__main__":
    main()
