"""Threads of the native engine where the system gives too few."""

import subprocess
import sys

import pytest

pytest.importorskip("worker.engine.native._native", reason="the native engine is not compiled")
PROGRAM = """
import resource
from worker.engine.native import _native

used_bytes = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used_bytes + 200 * 2**20,) * 2)
try:
    _native.probes.read_bandwidth("portable", 64, 1 << 20, 1)
except RuntimeError as error:
    print(error)
"""


def test_threads_that_the_system_refuses_are_an_error_and_no_abort() -> None:
    """Given room for the stacks of some of 64 threads, when they are started, then an error says so in words."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "the system gives no 64 threads to one process\n"), done.stderr
