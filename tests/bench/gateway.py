"""`python -m tests.bench.gateway`: the gateway alone, beside a bare FastAPI and Redis app."""

import argparse
from dataclasses import asdict

from tests.bench.gateway_load import measure_gateway
from tests.bench.report import print_line, print_table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000)
    options = parser.parse_args()
    figures = asdict(measure_gateway(options.jobs))
    share = figures["gateway_jobs_per_second"] / figures["floor_jobs_per_second"]
    print_table("Gateway alone (fake engine)", ["figure", "value"], [*figures.items(), ("share of the floor", share)])
    print_line("gateway", **figures, share_of_floor=share)


if __name__ == "__main__":
    main()
