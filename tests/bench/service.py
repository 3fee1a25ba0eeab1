"""`python -m tests.bench.service`: what the service adds to the model, and what batching gains."""

import argparse
import statistics
from collections.abc import Sequence

from tests.bench.bare_engine import bare_tokens_per_second
from tests.bench.gateway_load import GatewayFigures, measure_gateway
from tests.bench.model_load import CLIENTS, LoadFigures, measure_clients, measure_queue
from tests.bench.report import percentile, print_line, print_table


def main() -> None:
    """Measure gateway and service, print tables and the machine line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto", help="engine of the worker")
    parser.add_argument("--gateway-jobs", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=64, help="jobs of the sixteen clients")
    parser.add_argument("--jobs-alone", type=int, default=6)
    parser.add_argument("--max-tokens", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3, help="runs from a queue, each between two of the bare engine")
    options = parser.parse_args()

    gateway = measure_gateway(options.gateway_jobs)
    _print_gateway(gateway)
    alone, together = measure_clients(options.engine, options.jobs_alone, options.jobs, options.max_tokens)
    engine, first_rate = bare_tokens_per_second(options.engine, options.jobs, options.max_tokens)
    bare, queued = [first_rate], list[LoadFigures]()
    for _ in range(options.rounds):
        queued.append(measure_queue(options.engine, options.jobs, options.max_tokens))
        bare.append(bare_tokens_per_second(options.engine, options.jobs, options.max_tokens)[1])
    shares = [run.tokens_per_second / between(bare, number) for number, run in enumerate(queued)]
    gain = together.tokens_per_second / alone.tokens_per_second
    _print_service(engine, (alone, together, *queued), bare, shares)
    print_line(
        "service",
        engine=engine,
        submit_p50_ms=gateway.submit_p50_ms,
        submit_p99_ms=gateway.submit_p99_ms,
        push_p99_ms=gateway.push_p99_ms,
        redis_commands_per_job=gateway.redis_commands_per_job,
        batching_gain=gain,
        batch_size_mean=together.batch_size_mean,
        engine_share=statistics.median(shares),
        engine_shares=shares,
        typical_completion_tokens=together.completion_tokens,
        typical_p50_s=statistics.median(alone.latencies_s),
        typical_p95_16_clients_s=percentile(together.latencies_s, 0.95),
        gateway_jobs_per_second=gateway.gateway_jobs_per_second,
        floor_jobs_per_second=gateway.floor_jobs_per_second,
        tokens_per_second={
            "1": alone.tokens_per_second,
            str(CLIENTS): together.tokens_per_second,
            "queued": [run.tokens_per_second for run in queued],
            "bare": bare,
        },
    )


def between(bare: Sequence[float], number: int) -> float:
    """Return the bare engine's rate around one run: a host's clock wanders by more than what a service costs."""
    return statistics.harmonic_mean(bare[number : number + 2])


def _print_gateway(figures: GatewayFigures) -> None:
    share = figures.gateway_jobs_per_second / figures.floor_jobs_per_second
    print_table(
        "Gateway alone (fake engine), beside a bare FastAPI + Redis app",
        ("figure", "value"),
        (
            ("submit p50, one client, ms", figures.submit_p50_ms),
            ("submit p99, one client, ms", figures.submit_p99_ms),
            ("event push p99, ms", figures.push_p99_ms),
            (f"jobs/s, {CLIENTS} clients", figures.gateway_jobs_per_second),
            (f"bare floor, requests/s, {CLIENTS} clients", figures.floor_jobs_per_second),
            ("share of the floor", share),
            ("Redis commands per job, acceptance to end", figures.redis_commands_per_job),
        ),
    )


def _print_service(engine: str, loads: Sequence[LoadFigures], bare: Sequence[float], shares: Sequence[float]) -> None:
    def row(name: str, load: LoadFigures, share: object) -> tuple[object, ...]:
        latencies = load.latencies_s
        return (
            name,
            load.jobs,
            load.tokens_per_second,
            share,
            load.completion_tokens,
            load.batch_size_mean,
            statistics.median(latencies),
            percentile(latencies, 0.95),
            load.queue_ms,
            load.prefill_ms,
            load.decode_ms,
        )

    alone, together, *queued = loads
    print_table(
        f"One worker, engine {engine}; around the runs from a queue the bare engine makes "
        f"{', '.join(f'{rate:,.0f}' for rate in bare)} tokens/s on the same requests",
        (
            "clients",
            "jobs",
            "tokens/s",
            "share",
            "answer",
            "batch",
            "p50 s",
            "p95 s",
            "queue ms",
            "prefill ms",
            "decode ms",
        ),
        (
            row("1", alone, "-"),
            row(str(CLIENTS), together, "-"),
            *(row("all queued", run, share) for run, share in zip(queued, shares, strict=True)),
        ),
    )


if __name__ == "__main__":
    main()
