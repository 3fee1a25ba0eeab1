"""What the benchmarks of batches ask of the service: start one, how far it is, whose answers its files hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

_ENDED = {"completed", "failed", "expired", "cancelled"}


def start_batch(client: httpx.Client, path: Path) -> dict[str, Any]:
    """Upload a file of lines and start its batch."""
    with path.open("rb") as file:
        uploaded = client.post("/v1/files", data={"purpose": "batch"}, files={"file": file}).raise_for_status()
    body = {
        "input_file_id": uploaded.json()["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    batch: dict[str, Any] = client.post("/v1/batches", json=body).raise_for_status().json()
    return batch


def ended(batch: dict[str, Any]) -> bool:
    """Tell whether nothing more happens to a batch."""
    return batch["status"] in _ENDED


def finished_share(batch: dict[str, Any]) -> float:
    """Return the share of a batch's lines that have a row."""
    counts = batch["request_counts"]
    return float((counts["completed"] + counts["failed"]) / counts["total"]) if counts["total"] else 0.0


def result_rows(client: httpx.Client, file_id: str | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a result file, none where there is no file."""
    if file_id is None:
        return
    with client.stream("GET", f"/v1/files/{file_id}/content") as content:
        yield from map(json.loads, content.raise_for_status().iter_lines())


def result_ids(client: httpx.Client, file_id: str | None) -> Iterator[str]:
    """Yield the ids of a result file's rows."""
    return (row["custom_id"] for row in result_rows(client, file_id))
