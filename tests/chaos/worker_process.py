"""`python -m tests.chaos.worker_process`: a worker whose clock may be off by CHAOS_CLOCK_SKEW_S seconds."""

import os
import runpy
import time


def shift_clock(seconds: float) -> None:
    """Let this process believe in another wall-clock time; the monotonic clock stays, as where a date is wrong."""
    real_time, real_time_ns = time.time, time.time_ns
    time.time = lambda: real_time() + seconds
    time.time_ns = lambda: real_time_ns() + int(seconds * 1e9)


if __name__ == "__main__":
    skew_s = float(os.environ.get("CHAOS_CLOCK_SKEW_S", "0"))
    if skew_s:
        shift_clock(skew_s)
    runpy.run_module("worker", run_name="__main__", alter_sys=True)
