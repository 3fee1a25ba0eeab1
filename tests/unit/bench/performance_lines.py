"""A line of each bench as `make bench` records it, with made-up figures that tests can tell apart."""

import json
from pathlib import Path
from typing import Any

STAMP = {"machine": "a made-up machine", "date": "2031-02-03", "seconds": 61.0}
NAMES = ("fp32", "int8")


def _parts(**lengths: float) -> dict[str, float]:
    return {**lengths, "queue_ms": 3.0, "prefill_ms": 210.0, "decode_ms": 1234.0}


LINES: dict[str, dict[str, Any]] = {
    "engines": {
        "decode_tokens_per_second": {
            "native": {"1": 50.0, "16": 200.0},
            "other": {"1": 40.0, "16": 100.0},
            "gone": None,
        },
        "prefill_tokens_per_second": {"native": {"1": 400.0, "16": 500.0}, "other": {"16": 250.0}, "gone": None},
        "why": {"gone": "not made yet"},
        "ready_s": 0.71,
        "resident_gb": 0.5,
        "isa": "avx512",
        "threads": 2,
    },
    "fidelity": {
        "em": None,
        "answer_tokens_per_second": None,
        "kl": {"fp32": 0.0, "int8": 0.0123},
        "top1": {"fp32": 1.0, "int8": 0.97},
        "size_bytes": {"fp32": 1.976e9, "int8": 0.5e9},
    },
    "latency": {
        "by_prompt": [
            _parts(prompt_tokens=150.0, completion_tokens=64.0),
            _parts(prompt_tokens=2150.0, completion_tokens=64.0),
        ],
        "by_answer": [
            _parts(prompt_tokens=150.0, completion_tokens=16.0),
            _parts(prompt_tokens=150.0, completion_tokens=256.0),
        ],
        "by_clients": [
            {"clients": 1, "batch_size_mean": 1.0, "tokens_per_second": 61.0, "p50_s": 1.5, "p95_s": 1.75},
            {"clients": 16, "batch_size_mean": 14.0, "tokens_per_second": 187.0, "p50_s": 7.5, "p95_s": 8.25},
        ],
    },
    "service": {"submit_p50_ms": 2.41, "batching_gain": 2.93},
    "gateway": {"gateway_jobs_per_second": 777.0},
    "scaling": {
        "fake": [
            {"workers": 1, "jobs_per_second": 5.0, "efficiency": 1.0},
            {"workers": 8, "jobs_per_second": 38.0, "efficiency": 0.95},
        ],
        "real": [{"workers": 1, "threads": 2, "tokens_per_second": 187.0, "gain": 1.0}],
    },
    "footprint": {
        "resident_gb_idle": {"gateway": 0.181},
        "resident_gb_worked": {"gateway": 0.192},
        "cold_start_s": 3.4,
        "cold_starts_s": [3.3, 3.4, 3.6],
    },
    "bulk": {"questions_per_minute": 31.4, "why": {"vllm_ratio": "not measured"}},
    "simulation": {
        "steps": "measured",
        "wait_limit_s": 10.0,
        "waits": [{"workers": 1, "0.5": {"wait_p95_s": 1.25}}, {"workers": 1000, "0.5": {"wait_p95_s": 0.0}}],
        "advice": [{"jobs_per_second": 3.5, "workers": 4}],
        "validation": [{"workers": 1, "measured_wait_p95_s": 2.25, "predicted_wait_p95_s": 2.5}],
    },
}


def write_lines(results: Path, *names: str) -> None:
    """Write the lines of these parts, all of them if none is named, and prices."""
    results.mkdir(parents=True, exist_ok=True)
    for name in names or LINES:
        line = {"bench": name, **LINES[name], **STAMP, "command": f"python -m tests.bench.{name} --made-up"}
        (results / f"{name}.json").write_text(json.dumps(line), "utf-8")
    prices = {
        "provider": "Somewhere",
        "date": "2031-01-01",
        "source": "a price list",
        "cpu_dollars_per_core_month": 20.0,
        "memory_dollars_per_gb_month": 10.0,
        "seconds_per_month": 2_592_000,
    }
    (results / "prices.json").write_text(json.dumps(prices), "utf-8")
