"""`python -m tests.bench.latency`: where an answer's time goes, by prompt length, answer length and clients."""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.http_load import Connection
from tests.bench.model_load import LoadFigures, answer, load, typical_request
from tests.bench.report import percentile, print_line, print_table
from tests.support.stack import Stack

PARAGRAPHS = (1, 4, 8, 16)
ANSWERS = (16, 32, 64, 128, 256)
CLIENTS = (1, 2, 4, 8, 16)
PROMPT_ANSWER_TOKENS = 64
PARTS = ("queue_ms", "prefill_ms", "decode_ms")


def main() -> None:
    """Measure the three dependencies on one worker and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="auto", help="engine of the worker")
    parser.add_argument("--repeats", type=int, default=3, help="requests of which the median is taken")
    parser.add_argument("--jobs", type=int, default=3, help="jobs of each client")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), options.engine) as stack:
        asyncio.run(load(stack.port, 1, 2, PROMPT_ANSWER_TOKENS, first=90_000))
        by_prompt = [
            asyncio.run(_alone(stack.port, count, PROMPT_ANSWER_TOKENS, options.repeats)) for count in PARAGRAPHS
        ]
        by_answer = [asyncio.run(_alone(stack.port, 1, tokens, options.repeats)) for tokens in ANSWERS]
        loads = [
            asyncio.run(load(stack.port, clients, clients * options.jobs, 100, first=1_000 * (index + 1)))
            for index, clients in enumerate(CLIENTS)
        ]
    by_clients = [_figures(found) for found in loads]
    _print(by_prompt, by_answer, by_clients)
    print_line("latency", engine=options.engine, by_prompt=by_prompt, by_answer=by_answer, by_clients=by_clients)


async def _alone(port: int, paragraphs: int, max_tokens: int, repeats: int) -> dict[str, float]:
    """Return the median parts of a lone request's time; no two requests share more than the instructions."""
    connection = Connection(port)
    views = []
    for repeat in range(repeats):
        first = 10_000 * paragraphs + 100 * max_tokens + repeat
        body = typical_request(first, max_tokens)
        body["context"] = "\n\n".join(
            f"Note {first + index}. {typical_request(first + 7 * index, max_tokens)['context']}"
            for index in range(paragraphs)
        )
        views.append(await answer(connection, body))
    await connection.close()
    timings = [view["result"]["timings"] for view in views]
    names = ("prompt_tokens", "cached_prompt_tokens", "completion_tokens", *PARTS, "total_ms")
    return {name: float(statistics.median(entry[name] for entry in timings)) for name in names}


def _figures(found: LoadFigures) -> dict[str, float]:
    return {
        "clients": found.clients,
        "batch_size_mean": found.batch_size_mean,
        "tokens_per_second": found.tokens_per_second,
        "p50_s": statistics.median(found.latencies_s),
        "p95_s": percentile(found.latencies_s, 0.95),
        "queue_ms": found.queue_ms,
        "prefill_ms": found.prefill_ms,
        "decode_ms": found.decode_ms,
    }


def _print(by_prompt: list[dict[str, Any]], by_answer: list[dict[str, Any]], by_clients: list[dict[str, Any]]) -> None:
    for title, rows in (
        ("One client, by prompt", by_prompt),
        ("One client, by answer", by_answer),
        ("By clients", by_clients),
    ):
        print_table(title, list(rows[0]), [list(row.values()) for row in rows])


if __name__ == "__main__":
    main()
