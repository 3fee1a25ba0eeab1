"""Mutation fuzz of the readers of strangers' files: `python -m tests.chaos.fuzz --files N [--seed S] [--keep FOLDER]`.

N damaged files of each kind go to a child process under limits on memory and time; one that dies or hangs is started
anew. A file counts as a failure if the reader raises what it does not promise; deaths and hangs are contained by the
sandbox, as in the product, and are counted by themselves.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.chaos.fuzz_child import HEAD
from tests.chaos.mutations import bombs, mutated, seeds

KINDS = ("pdf", "html", "zip")
# Processor time, see fuzz_child.
FILE_SECONDS = 10.0


@dataclass(slots=True)
class Findings:
    """What became of the files of one kind; `crashes` holds files with what was raised."""

    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    crashes: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def files(self) -> int:
        """How many files had an outcome."""
        return self.outcomes.total()


class Sandbox:
    """A child process that is started again whenever a file ended it."""

    def __init__(self, file_seconds: float = FILE_SECONDS) -> None:
        self._file_seconds = file_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def outcome(self, kind: str, data: bytes) -> str:
        """Return what the child says of a file, `hung`, or `died` with the signal or exit code."""
        child = self._started()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(HEAD.pack(kind.ljust(4).encode(), len(data)) + data)
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = b""
        if line:
            return str(json.loads(line))
        code = self._end()
        return "hung" if code == -signal.SIGPROF else f"died {code}"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            command = [sys.executable, "-m", "tests.chaos.fuzz_child", str(self._file_seconds)]
            pipe = subprocess.PIPE
            self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        return self._child

    def _end(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        # One that ended by itself keeps its own exit code; one that waits for more ends when there is none.
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        return child.wait()


def fuzz(kind: str, files: int, seed: int, file_seconds: float = FILE_SECONDS) -> Findings:
    """Put the seeds and then damaged files to the reader of a kind, `files` in all."""
    rng = random.Random(f"{seed} {kind}")
    originals = seeds(kind)
    whole = [*originals, *bombs(kind)]
    findings = Findings(kind)
    with Sandbox(file_seconds) as sandbox:
        for number in range(files):
            data = whole[number] if number < len(whole) else mutated(kind, originals, rng)
            found = sandbox.outcome(kind, data)
            findings.outcomes[found.partition(":")[0]] += 1
            if found.startswith("crash"):
                findings.crashes.append((found, data))
    return findings


def main() -> None:
    """Run the fuzzer from the command line; ends with 1 if a reader raised what it does not promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--keep", type=Path, help="folder for the files that a reader crashed on")
    options = parser.parse_args()
    report: dict[str, object] = {"bench": "fuzz", "seed": options.seed}
    crashed = 0
    for kind in options.kinds.split(","):
        started_s = time.monotonic()
        findings = fuzz(kind, options.files, options.seed)
        seconds = time.monotonic() - started_s
        print(f"{kind}: {findings.files} files in {seconds:.0f} s")
        for found, count in findings.outcomes.most_common():
            print(f"  {count:6} {found}")
        for number, (found, data) in enumerate(findings.crashes):
            print(f"  {found}")
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"crash-{number}.{kind}").write_bytes(data)
        crashed += len(findings.crashes)
        report[kind] = {"files": findings.files, "seconds": round(seconds, 1), "outcomes": dict(findings.outcomes)}
    print(json.dumps(report | {"crashes": crashed}))
    sys.exit(1 if crashed else 0)


if __name__ == "__main__":
    main()
