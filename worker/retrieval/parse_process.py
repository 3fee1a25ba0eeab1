"""Parsing in a process of its own: a file that hangs or crashes its reader takes nothing else along.

The child is `python -m worker.retrieval.parse_process NAME LIMITS` with the file on standard input; it answers with one
line of JSON (nothing, or the problem) and then the document's bytes.
"""

import json
import os
import resource
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from common.pages import Document
from worker.retrieval.limits import ParseLimits, check_bytes
from worker.retrieval.parse import parse_document
from worker.retrieval.problems import DocumentError, Problem

_START_SECONDS = 10.0
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_MOST_NAME_CHARACTERS = 255
_MAX_MEMORY_BYTES = 4 * 2**30


def parse_isolated(name: str, data: bytes, limits: ParseLimits | None = None) -> Document:
    """Do what parse_document does, in a child process that is killed when its time is over.

    Raises DocumentError also where the reader crashed, ran out of memory (4 GiB) or did not end in time.
    """
    limits = limits or ParseLimits()
    check_bytes(name, len(data), limits)
    command = [sys.executable, "-m", "worker.retrieval.parse_process", _argument(name), json.dumps(asdict(limits))]
    try:
        child = subprocess.run(
            command,
            input=data,
            capture_output=True,
            timeout=limits.max_seconds + _START_SECONDS,
            cwd=Path(__file__).parents[2],
            # The child reads files of strangers, so it is told no secrets.
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        )
    except subprocess.TimeoutExpired as error:
        raise DocumentError(
            name,
            Problem.TOO_SLOW,
            f"reading it took longer than {limits.max_seconds:g} s. Split the file or raise the time limit.",
        ) from error
    if child.returncode != 0:
        raise DocumentError(
            name,
            Problem.READER_DIED,
            "the reader failed on it, most likely because the file is damaged or too complex.",
        )
    head, _, body = child.stdout.partition(b"\n")
    problem = json.loads(head)
    if problem:
        raise DocumentError(name, Problem(problem["problem"]), problem["explanation"])
    return replace(Document.from_bytes(body), name=name)


def _argument(name: str) -> str:
    """Return the name as a program's argument can hold it: without NUL, and its end if it is long."""
    return name.replace("\0", "")[-_MOST_NAME_CHARACTERS:]


def main() -> None:
    """Parse standard input and write the answer to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    name, limits = sys.argv[1], ParseLimits(**json.loads(sys.argv[2]))
    problem: dict[str, str] = {}
    body = b""
    try:
        body = parse_document(name, sys.stdin.buffer.read(), limits).to_bytes()
    except DocumentError as error:
        problem = {"problem": error.problem, "explanation": error.explanation}
    sys.stdout.buffer.write(json.dumps(problem).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
