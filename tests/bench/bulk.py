"""`python -m tests.bench.bulk`: questions a minute over reports, and what grouping with the prefix cache gains."""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from api.bulk_client import BulkClient, upload_names
from api.client import ApiClient, JsonObject
from common.queries import Row
from tests.bench.report import print_line, print_table
from tests.support.stack import Stack

QUESTIONS = (
    "What was total revenue in the latest fiscal year?",
    "By what percentage did total revenue change from the year before?",
    "What was net income in the latest fiscal year?",
    "What was operating income in the latest fiscal year?",
    "What were total assets at the end of the latest period?",
    "What was net cash provided by operating activities?",
    "How much was spent on purchases of property, plant and equipment?",
    "How much was paid in dividends?",
    "What were diluted earnings per share?",
    "What was income tax expense?",
)
NO_PEER = "vLLM is not part of this environment; it was not measured"


def main() -> None:
    """Run the questions in plan order, then the same prompts scattered, and print the machine line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("FINANCELLM_SHARED_DATA"))
    parser.add_argument("--engine", default="auto", help="engine of the worker")
    parser.add_argument("--files", type=int, default=1_000, help="most reports to ask")
    parser.add_argument("--questions", type=int, default=len(QUESTIONS), help="how many questions to ask each")
    options = parser.parse_args()
    if options.data is None:
        parser.error("set --data or FINANCELLM_SHARED_DATA to the folder of real finance data")
    files = upload_names([options.data / "reports"])
    reports = [(name, path) for name, path in files if path.suffix in (".pdf", ".html")][: options.files]
    questions = list(QUESTIONS[: options.questions])
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), options.engine) as stack:
        grouped = _measured(stack, reports, questions)
    scattered_s = _scattered_s(options.engine, reports, questions)
    _print(grouped, scattered_s)


def _measured(stack: Stack, reports: list[tuple[str, Path]], questions: list[str]) -> dict[str, Any]:
    with ApiClient(stack.url) as http:
        client = BulkClient(http)
        collection_id, read_s = _collection(client, reports)
        started_s = time.monotonic()
        query = _ended(client, client.ask(collection_id, {"questions": questions}))
        answer_s = time.monotonic() - started_s
        rows = list(client.rows(query))
        valid, cited = _citations(stack.url, collection_id, rows)
    return {"query": query, "rows": rows, "read_s": read_s, "answer_s": answer_s, "valid": valid, "cited": cited}


def _scattered_s(engine: str, reports: list[tuple[str, Path]], questions: list[str]) -> float:
    """Return the seconds of the same questions, one query each, so that no two rows of a report are neighbours."""
    # Too few blocks to keep a page from one question to the next.
    env = {"FINANCELLM_KV_CACHE_BYTES": str(192 << 20)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack(Path(folder), engine, env=env) as stack,
        ApiClient(stack.url) as http,
    ):
        client = BulkClient(http)
        collection_id, _ = _collection(client, reports)
        started_s = time.monotonic()
        for question in questions:
            _ended(client, client.ask(collection_id, {"questions": [question]}))
        return time.monotonic() - started_s


def _collection(client: BulkClient, reports: list[tuple[str, Path]]) -> tuple[str, float]:
    started_s = time.monotonic()
    collection_id: str = client.collection("bench")["id"]
    for name, path in reports:
        client.upload(collection_id, name, path)
    while client.collection("bench")["documents"]["pending"]:
        time.sleep(0.2)
    return collection_id, time.monotonic() - started_s


def _ended(client: BulkClient, query: JsonObject) -> JsonObject:
    while query["status"] in ("queued", "running", "cancelling"):
        time.sleep(0.2)
        query = client.query(query)
    return query


def _citations(url: str, collection_id: str, rows: list[Row]) -> tuple[int, int]:
    """Return how many quotes stand on the page named, and how many there are."""
    valid = cited = 0
    with httpx.Client(base_url=f"{url}/v1/collections/{collection_id}/documents", timeout=60) as http:
        for row in rows:
            for citation in row.citations:
                page = http.get(f"/{citation['document_id']}/pages/{citation['page']}").json()
                cited += 1
                valid += citation["quote"] in page["text"]
    return valid, cited


def _print(found: dict[str, Any], scattered_s: float) -> None:
    counts = found["query"]["counts"]
    rows: list[Row] = found["rows"]
    answered = [row for row in rows if row.timings]
    prompt = sum(row.timings["prompt_tokens"] for row in answered if row.timings)
    cached = sum(row.timings["cached_prompt_tokens"] for row in answered if row.timings)
    per_minute = 60 * len(answered) / found["answer_s"]
    share = found["valid"] / found["cited"] if found["cited"] else None
    lost = counts["total"] - len({row.index for row in rows if row.status != "pending"})
    print_table(
        "Reports in, answers out",
        ("figure", "value"),
        (
            ("rows", counts["total"]),
            ("rows with an explained failure", counts["failed"]),
            ("reading the reports, s", found["read_s"]),
            ("answering, s", found["answer_s"]),
            ("questions/minute", per_minute),
            ("prompt tokens found in the cache", cached / prompt if prompt else 0.0),
            ("the same, scattered, s", scattered_s),
            ("citations", found["cited"]),
        ),
    )
    print(json.dumps({"counts": counts}))
    print_line(
        "bulk",
        questions_per_minute=per_minute,
        grouping_ratio=scattered_s / found["answer_s"],
        vllm_ratio=None,
        why={"vllm_ratio": NO_PEER},
        rows=counts["total"],
        rows_lost=lost,
        citations_valid_share=share,
        cached_prompt_share=cached / prompt if prompt else None,
    )


if __name__ == "__main__":
    main()
