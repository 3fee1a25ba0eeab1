"""`python -m tests.bench.simulation`: how long jobs wait by arrival rate and workers, and how many workers to run.

Steps of the engine and the gateway's rate come from what `make bench` recorded, where it did. `--validate` compares the
model with a real stack of fake workers. Nothing here needs a model.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.http_load import Connection
from tests.bench.parts import RESULTS
from tests.bench.queue_model import Fleet, Load, Outcome, StepTime, simulate, step_time, workers_needed
from tests.bench.report import percentile, print_line, print_table
from tests.support.stack import Stack

FLEETS = (1, 2, 4, 8, 10, 100, 1_000)
SHARES = (0.5, 0.8, 0.95)
FAKE_ROWS = 4
FAKE_STEP_S = 0.02
JOBS = 4_000
ASSUMED = "an assumption: 25 ms, and 2 ms for each row"


def main() -> None:
    """Predict, and where asked validate; print tables and the machine line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of recorded lines")
    parser.add_argument("--rows", type=int, default=16, help="jobs a worker runs at once")
    parser.add_argument("--tokens", type=int, default=100, help="mean tokens of an answer")
    parser.add_argument("--wait", type=float, default=10.0, help="seconds that 95 of 100 jobs may wait")
    parser.add_argument("--validate", action="store_true", help="compare with one and two fake workers")
    options = parser.parse_args()
    engines, gateway = _recorded(options.results, "engines"), _recorded(options.results, "gateway")
    step_s = _steps(engines, options.rows)
    lengths = [max(1, round(options.tokens * share)) for share in (0.5, 0.75, 1.0, 1.25, 1.5)]
    capacity = options.rows / step_s(options.rows) / options.tokens
    waits = [_predicted(fleet, capacity, options.rows, step_s, lengths) for fleet in FLEETS]
    advice = _advice(capacity, options.rows, step_s, lengths, options.wait)
    checks = [_validated(workers) for workers in (1, 2)] if options.validate else []
    _print(waits, advice, checks, options.wait)
    print_line(
        "simulation",
        jobs_per_second_per_worker=capacity,
        waits=waits,
        advice=advice,
        validation=checks,
        wait_limit_s=options.wait,
        steps=ASSUMED if engines is None else f"as the engines bench measured them on {engines['date']}",
        workers_per_gateway=None if gateway is None else gateway["gateway_jobs_per_second"] / capacity,
    )


def _recorded(results: Path, part: str) -> dict[str, Any] | None:
    path = results / f"{part}.json"
    if not path.is_file():
        return None
    line: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return line


def _steps(engines: dict[str, Any] | None, rows: int) -> StepTime:
    if engines is None:
        return lambda count: 0.025 + 0.002 * count
    native = engines["decode_tokens_per_second"]["native"]
    return step_time({int(batch): float(rate) for batch, rate in native.items() if int(batch) <= max(rows, 1)})


def _predicted(workers: int, capacity: float, rows: int, step_s: StepTime, lengths: list[int]) -> dict[str, Any]:
    """Return p50 and p95 waits of a fleet at shares of what it can do."""
    found: dict[str, Any] = {"workers": workers}
    for share in SHARES:
        load = Load(max(JOBS, 10 * workers * rows), share * capacity * workers, lengths)
        outcome = simulate(Fleet(workers, rows, step_s), load)
        found[str(share)] = {
            "jobs_per_second": load.per_second,
            "wait_p50_s": percentile(outcome.waits_s, 0.5),
            "wait_p95_s": percentile(outcome.waits_s, 0.95),
            "total_p95_s": percentile(outcome.totals_s, 0.95),
        }
    return found


def _advice(capacity: float, rows: int, step_s: StepTime, lengths: list[int], wait_s: float) -> list[dict[str, Any]]:
    """Return the workers needed for multiples of what one can do."""
    found = []
    for multiple in (0.5, 1, 2, 5, 10, 50):
        per_second = multiple * capacity
        load = Load(max(JOBS, round(10 * wait_s * per_second)), per_second, lengths)
        found.append({"jobs_per_second": load.per_second, "workers": workers_needed(rows, step_s, load, wait_s)})
    return found


def _validated(workers: int) -> dict[str, Any]:
    """Run the same arrivals through fake workers and through the model."""
    env = {
        "FINANCELLM_FAKE_STEP_MS": str(1000 * FAKE_STEP_S),
        "FINANCELLM_MAX_ROWS": str(FAKE_ROWS),
        "FINANCELLM_LOG_LEVEL": "WARNING",
    }
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), "fake", workers, env) as stack:
        sample = asyncio.run(_arrivals(stack.port, [0.0] * 8))
        lengths = [timings["completion_tokens"] + 1 for timings in sample]  # a step of prefill
        capacity = workers * FAKE_ROWS / FAKE_STEP_S / (sum(lengths) / len(lengths))
        chance = random.Random(7)
        rate = 0.85 * capacity
        gaps = [chance.expovariate(rate) for _ in range(200 * workers)]
        timings = asyncio.run(_arrivals(stack.port, gaps))
    measured = [entry["queue_ms"] / 1000 for entry in timings]
    lengths = [entry["completion_tokens"] + 1 for entry in timings]
    predicted = simulate(Fleet(workers, FAKE_ROWS, lambda rows: FAKE_STEP_S), Load(20_000, rate, lengths))
    return {"workers": workers, "jobs_per_second": rate} | _compared(measured, predicted)


def _compared(measured: list[float], predicted: Outcome) -> dict[str, float]:
    return {
        "measured_wait_p50_s": percentile(measured, 0.5),
        "predicted_wait_p50_s": percentile(predicted.waits_s, 0.5),
        "measured_wait_p95_s": percentile(measured, 0.95),
        "predicted_wait_p95_s": percentile(predicted.waits_s, 0.95),
    }


async def _arrivals(port: int, gaps_s: list[float]) -> list[dict[str, Any]]:
    """Send a job after each gap, whatever became of the others; return the timings of all."""
    waiting = []
    due_s = time.monotonic()
    for number, gap_s in enumerate(gaps_s):
        due_s += gap_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        waiting.append(asyncio.create_task(_timings(port, number)))
    return list(await asyncio.gather(*waiting))


async def _timings(port: int, number: int) -> dict[str, Any]:
    connection = Connection(port)
    body = {"question": f"What was revenue in {number}?", "max_tokens": 200}
    reply = await connection.request("POST", "/v1/jobs", json.dumps(body).encode(), "Prefer: wait=60\r\n")
    while reply.status == 202 or reply.json()["status"] in {"queued", "running"}:
        reply = await connection.request("GET", f"/v1/jobs/{reply.json()['id']}?wait=60")
    await connection.close()
    found: dict[str, Any] = reply.json()["result"]["timings"]
    return found


def _print(
    waits: list[dict[str, Any]], advice: list[dict[str, Any]], checks: list[dict[str, Any]], wait_s: float
) -> None:
    columns = ["workers", *(f"{share:.0%} p{rank} s" for share in SHARES for rank in (50, 95))]
    rows = [
        [row["workers"], *(row[str(share)][f"wait_p{rank}_s"] for share in SHARES for rank in (50, 95))]
        for row in waits
    ]
    print_table("Predicted wait by share of what the workers can do", columns, rows)
    print_table(
        f"Workers with which 95 of 100 jobs wait at most {wait_s:g} s",
        ["jobs/s", "workers"],
        [[row["jobs_per_second"], row["workers"]] for row in advice],
    )
    if checks:
        print_table(
            "The model beside a real stack of fake workers",
            ["workers", "jobs/s", "p50 measured", "p50 predicted", "p95 measured", "p95 predicted"],
            [list(row.values()) for row in checks],
        )


if __name__ == "__main__":
    main()
