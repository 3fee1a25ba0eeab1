"""The supervisor, with real child processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from api import processes
from api.processes import ProcessSpec, StartError, Supervisor, run_to_end

SLEEP = (sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)")
DEAF = (
    sys.executable,
    "-I",
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    started = Supervisor(said.append)
    yield started
    started.stop(lambda: True)


def spec(tmp_path: Path, command: tuple[str, ...], name: str = "child", **fields: object) -> ProcessSpec:
    defaults = {"role": name, "environment": dict(os.environ), "log_path": tmp_path / "logs" / f"{name}.log"}
    return ProcessSpec(name=name, command=command, **(defaults | fields))  # type: ignore[arg-type]


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", textwrap.dedent(code))


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def test_a_dead_child_is_reported_with_the_end_of_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    # Given a child that says why it ends
    child = supervisor.start(spec(tmp_path, python("import sys; print('no disk left'); sys.exit(9)"), "redis"))
    until(lambda: child.exit_code is not None)
    # When the supervisor looks, then it names child, exit code and the log's end
    with pytest.raises(StartError, match=r"redis \(pid \d+\) ended with exit code 9(.|\n)*no disk left"):
        supervisor.check()


def test_a_killed_child_is_reported_by_its_signal(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(spec(tmp_path, SLEEP))
    os.kill(child.process.pid, signal.SIGKILL)
    until(lambda: child.exit_code is not None)
    with pytest.raises(StartError, match="killed by SIGKILL"):
        supervisor.fail_on_death()


def test_a_child_that_restarts_comes_back_later_each_time(
    supervisor: Supervisor, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a child that dies at once and may start again
    monkeypatch.setattr(processes, "FIRST_BACK_OFF_S", 0.05)
    child = supervisor.start(spec(tmp_path, python("print('oops')"), restarts=True))
    child.back_off_s = 0.05

    # When the supervisor keeps looking
    def restarted_twice() -> bool:
        supervisor.check()
        return child.restarts >= 2

    until(restarted_twice)
    # Then each death was reported, and the back-off has doubled each time
    assert len(said) >= 2
    assert "oops" in said[0]
    assert child.back_off_s >= 0.2


def test_stopping_goes_backwards_role_by_role(supervisor: Supervisor, tmp_path: Path) -> None:
    # Given children of three roles that write down when they are told to stop
    order = tmp_path / "order"
    code = f"""
        import signal, sys, time
        def stop(*_):
            with open({str(order)!r}, "a") as file:
                file.write(sys.argv[1] + "\\n")
            sys.exit(0)
        signal.signal(signal.SIGTERM, stop)
        print("up", flush=True)
        time.sleep(60)
    """
    for name, role in (("redis", "redis"), ("worker-1", "worker"), ("worker-2", "worker"), ("api", "api")):
        supervisor.start(spec(tmp_path, (*python(code), name), name, role=role))
    logs = [tmp_path / "logs" / f"{name}.log" for name in ("redis", "worker-1", "worker-2", "api")]
    until(lambda: all(log.read_text() == "up\n" for log in logs))
    # When they are stopped
    supervisor.stop()
    # Then the api was first, redis last
    names = order.read_text().split()
    assert (names[0], names[3], set(names[1:3])) == ("api", "redis", {"worker-1", "worker-2"})


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace_time(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(spec(tmp_path, DEAF, grace_s=0.2))
    until(lambda: (tmp_path / "logs" / "child.log").read_text() == "up\n")
    supervisor.stop()
    assert child.exit_code == -signal.SIGKILL


def test_haste_cuts_the_grace_time(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.start(spec(tmp_path, DEAF, grace_s=60))
    until(lambda: (tmp_path / "logs" / "child.log").read_text() == "up\n")
    supervisor.stop(lambda: True)
    assert child.exit_code == -signal.SIGKILL


def test_what_a_child_started_goes_with_it_and_nothing_else_does(supervisor: Supervisor, tmp_path: Path) -> None:
    # Given a child with a child of its own, and a process that is not ours
    code = f"import subprocess, time; print(subprocess.Popen({list(SLEEP)!r}).pid, flush=True); time.sleep(60)"
    supervisor.start(spec(tmp_path, python(code)))
    log = tmp_path / "logs" / "child.log"
    until(lambda: log.read_text().endswith("\n"))
    grandchild = psutil.Process(int(log.read_text()))
    stranger = subprocess.Popen(SLEEP)
    try:
        # When the child is stopped
        supervisor.stop()
        # Then the grandchild is gone and the stranger is not
        until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("orphan_signal", [signal.SIGKILL, signal.SIGTERM])
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path, orphan_signal: signal.Signals) -> None:
    # Given a parent process with a child
    code = f"""
        import os, signal, sys, time
        from pathlib import Path
        from api.processes import ProcessSpec, Supervisor
        supervisor = Supervisor(print)
        number = signal.Signals({int(orphan_signal)})
        spec = ProcessSpec("child", "child", {SLEEP!r}, dict(os.environ), orphan_signal=number)
        print(supervisor.start(spec).process.pid, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    until(lambda: "time.sleep" in " ".join(child.cmdline()) and "die_with_parent" not in " ".join(child.cmdline()))
    # When the parent is killed with no chance to clean up
    parent.kill()
    parent.wait()
    parent.stdout.close()
    # Then the kernel ends the child
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_run_to_end_returns_the_exit_code(tmp_path: Path) -> None:
    assert run_to_end(spec(tmp_path, python("raise SystemExit(5)")), time.sleep) == 5


def test_run_to_end_stops_the_child_when_it_is_interrupted(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def pause(_seconds: float) -> None:
        raise StoppedError

    before = set(psutil.Process().children())
    with pytest.raises(StoppedError):
        run_to_end(spec(tmp_path, SLEEP), pause)
    assert set(psutil.Process().children()) == before


def test_a_missing_log_has_no_tail(tmp_path: Path) -> None:
    assert processes.tail(tmp_path / "none.log") == []


def test_a_tail_is_short(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_bytes(b"\xff" + b"x" * 10_000 + b"\n" + b"line\n" * 100)
    assert processes.tail(log, 3) == ["line"] * 3
