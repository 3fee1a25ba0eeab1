"""`python -m tests.bench.scaling`: jobs per second of one to eight fake workers, tokens per second of one and two real.

A fake worker sleeps through its steps, so what it loses with more workers is the gateway's, Redis' and Celery's share.
Two real workers share the machine's cores: each gets half of them.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from common.cpu_quota import usable_cpus
from tests.bench.gateway_load import BODY, wait_until_idle
from tests.bench.http_load import post_many
from tests.bench.model_load import load
from tests.bench.report import print_line, print_table
from tests.support.stack import Stack

FAKE_WORKERS = (1, 2, 4, 8)
REAL_WORKERS = (1, 2)
FAKE_ENV = {"FINANCELLM_FAKE_STEP_MS": "20", "FINANCELLM_MAX_ROWS": "4", "FINANCELLM_LOG_LEVEL": "WARNING"}
CLIENTS = 16


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto", help="engine of the real workers; none leaves them out")
    parser.add_argument("--jobs", type=int, default=100, help="jobs for each fake worker")
    parser.add_argument("--real-jobs", type=int, default=48)
    options = parser.parse_args()
    fake = [_fake(workers, options.jobs * workers) for workers in FAKE_WORKERS]
    real = [] if options.engine == "none" else [_real(options.engine, n, options.real_jobs) for n in REAL_WORKERS]
    for row in fake:
        row["efficiency"] = row["jobs_per_second"] / row["workers"] / fake[0]["jobs_per_second"]
    for row in real:
        row["gain"] = row["tokens_per_second"] / real[0]["tokens_per_second"]
    print_table("Fake workers", list(fake[0]), [list(row.values()) for row in fake])
    if real:
        print_table("Real workers on the same cores", list(real[0]), [list(row.values()) for row in real])
    print_line("scaling", engine=options.engine, fake=fake, real=real)


def _fake(workers: int, jobs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), "fake", workers, FAKE_ENV) as stack:
        asyncio.run(post_many(stack.port, "/v1/jobs", [BODY.encode()] * 8 * workers, CLIENTS))
        wait_until_idle(stack.url)
        started_s = time.monotonic()
        replies, _ = asyncio.run(post_many(stack.port, "/v1/jobs", [BODY.encode()] * jobs, CLIENTS))
        wait_until_idle(stack.url)
        seconds = time.monotonic() - started_s
    refused = sum(reply.status != 202 for reply in replies)
    if refused:
        raise RuntimeError(f"{refused} of {jobs} jobs were refused")
    return {"workers": workers, "jobs": jobs, "seconds": seconds, "jobs_per_second": jobs / seconds}


def _real(engine: str, workers: int, jobs: int) -> dict[str, Any]:
    threads = max(1, usable_cpus() // workers)
    env = {"FINANCELLM_ENGINE_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), engine, workers, env) as stack:
        asyncio.run(load(stack.port, workers, 2 * workers, 32, first=50_000))
        found = asyncio.run(load(stack.port, CLIENTS, jobs, 100, first=0))
    return {
        "workers": workers,
        "threads": threads,
        "tokens_per_second": found.tokens_per_second,
        "batch_size_mean": found.batch_size_mean,
    }


if __name__ == "__main__":
    main()
