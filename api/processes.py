"""Child processes: each with its own log, watched, restarted where that helps, stopped in reverse order."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from common import die_with_parent
from common.errors import FinanceLLMError

FIRST_BACK_OFF_S = 1.0
LONGEST_BACK_OFF_S = 30.0
# A process that ran this long before it died starts with the shortest back-off again.
SETTLED_S = 60.0
TAIL_LINES = 15
_POLL_S = 0.05


class StartError(FinanceLLMError):
    """A part of the local service did not start, or ended on its own."""

    code = "start_failed"


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to run one child.

    `role` groups children that stop together. `restarts` tells whether it is started again when it dies. `grace_s` is
    how long it may take after SIGTERM. `orphan_signal` is what it gets when its parent is gone. Without a `log_path`
    it writes to the parent's terminal.
    """

    name: str
    role: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_path: Path | None = None
    restarts: bool = False
    grace_s: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL


@dataclass(slots=True)
class Child:
    """A running, or for now dead, child; times are `time.monotonic()` seconds."""

    spec: ProcessSpec
    process: subprocess.Popen[bytes]
    started_at_s: float
    back_off_s: float = FIRST_BACK_OFF_S
    restart_at_s: float | None = None
    restarts: int = 0

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.process.poll()


@dataclass(slots=True)
class Supervisor:
    """Owns the children it started and no other process; `report` gets one line per event worth telling.

    Children are started from the thread that made the supervisor and must outlive no other: the kernel ties their life
    to the starting thread.
    """

    report: Callable[[str], None]
    children: list[Child] = field(default_factory=list)

    def start(self, spec: ProcessSpec) -> Child:
        """Start a child and watch it from now on; raises OSError if it cannot be run."""
        child = Child(spec, _spawn(spec), time.monotonic())
        self.children.append(child)
        return child

    def check(self) -> None:
        """Look after every child: restart those that restart; raises StartError for one that does not."""
        for child in self.children:
            if child.restart_at_s is not None:
                self._restart_when_due(child)
            elif child.exit_code is not None:
                self._note_death(child)

    def fail_on_death(self) -> None:
        """Raise StartError if any child is dead, restarting or not: the rule while starting up."""
        for child in self.children:
            if child.exit_code is not None:
                raise StartError(death_notice(child))

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop all children, last started role first: SIGTERM, then SIGKILL after the grace time or once `hurry()`."""
        for _, group in groupby(reversed(self.children), key=lambda child: child.spec.role):
            _stop_together(list(group), hurry)
        self.children.clear()

    def _note_death(self, child: Child) -> None:
        if not child.spec.restarts:
            raise StartError(death_notice(child))
        if time.monotonic() - child.started_at_s > SETTLED_S:
            child.back_off_s = FIRST_BACK_OFF_S
        self.report(f"{death_notice(child)}\nStarting {child.spec.name} again in {child.back_off_s:.0f} s.")
        child.restart_at_s = time.monotonic() + child.back_off_s
        child.back_off_s = min(child.back_off_s * 2, LONGEST_BACK_OFF_S)

    def _restart_when_due(self, child: Child) -> None:
        if child.restart_at_s is None or time.monotonic() < child.restart_at_s:
            return
        child.process = _spawn(child.spec)
        child.started_at_s = time.monotonic()
        child.restart_at_s = None
        child.restarts += 1


def death_notice(child: Child) -> str:
    """Say how a child ended, where its log is, and show the log's end."""
    code = child.exit_code
    if code is not None and code < 0:
        how = f"was killed by {signal.Signals(-code).name}"
    else:
        how = f"ended with exit code {code}"
    lines = [f"The process {child.spec.name} (pid {child.process.pid}) {how}."]
    if child.spec.log_path is not None:
        lines.append(f"The end of {child.spec.log_path}:")
        lines += [f"    {line}" for line in tail(child.spec.log_path)]
    return "\n".join(lines)


def tail(path: Path, most_lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log, each cut to 500 characters; empty if there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line[:500] for line in text.splitlines()[-most_lines:]]


def _spawn(spec: ProcessSpec) -> subprocess.Popen[bytes]:
    command = die_with_parent.command_of(spec.orphan_signal, spec.command)
    # A group of its own: Ctrl-C in the terminal reaches the parent alone, which then stops children in order.
    if spec.log_path is None:
        return subprocess.Popen(command, env=dict(spec.environment), stdin=subprocess.DEVNULL, process_group=0)
    spec.log_path.parent.mkdir(parents=True, exist_ok=True)
    with spec.log_path.open("ab") as log:
        return subprocess.Popen(
            command,
            env=dict(spec.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )


def _stop_together(children: list[Child], hurry: Callable[[], bool]) -> None:
    # A child already reaped is left out: its process id may belong to somebody else by now.
    owned = [child for child in children if child.process.returncode is None]
    for child in owned:
        child.process.terminate()
    for child in owned:
        deadline_s = time.monotonic() + child.spec.grace_s
        while not _has_ended(child.process.pid) and time.monotonic() < deadline_s and not hurry():
            time.sleep(_POLL_S)
        # The whole group: whatever the child itself has started goes with it.
        with suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()


def _has_ended(pid: int) -> bool:
    """Tell whether a child has ended without reaping it, so that its group id stays reserved."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def run_to_end(spec: ProcessSpec, pause: Callable[[float], None]) -> int:
    """Run a child to its end and return its exit code; whatever `pause` raises between looks stops the child first."""
    supervisor = Supervisor(lambda _line: None)
    child = supervisor.start(spec)
    try:
        while not _has_ended(child.process.pid):
            pause(_POLL_S)
        return child.process.wait()
    finally:
        supervisor.stop()
