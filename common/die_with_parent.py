"""Runs a command that the kernel signals when the process that started it is gone, even after kill -9.

    python -I -S die_with_parent.py SIGNAL PARENT_PID COMMAND [ARGUMENT ...]

The request of prctl(2) PR_SET_PDEATHSIG survives execve(2), so this program becomes the command. It is a program of its
own because code between fork and exec is unsafe in a parent that has threads. Imports nothing but the standard library.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def command_of(orphan_signal: signal.Signals, command: tuple[str, ...]) -> list[str]:
    """Return the command for a child of this process that gets the signal when this process is gone."""
    return [sys.executable, "-I", "-S", __file__, str(int(orphan_signal)), str(os.getpid()), *command]


def main(signal_number: int, parent_pid: int, command: list[str]) -> None:
    """Ask for the signal, then become the command; exit code 1 if the parent has died before."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent_pid:
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is meant


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
