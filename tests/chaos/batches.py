"""A batch of many items as any client runs it, counted at its end line by line."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.caller import Caller

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What a batch said of itself and what its files hold; `faults` is empty where both agree with what was sent."""

    items: int
    completed: int
    failed: int
    faults: list[str] = field(default_factory=list)


async def start_batch(caller: Caller, items: int, words: str = "cash", max_tokens: int = 64) -> str:
    """Upload a file of `items` different questions and create a batch over it; return its id."""
    lines = [
        json.dumps(
            {
                "custom_id": f"item-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": "financellm",
                    "messages": [{"role": "user", "content": f"Item {number}: what was {words}?"}],
                    "max_tokens": max_tokens,
                },
            }
        )
        for number in range(items)
    ]
    sent = {"file": ("items.jsonl", "\n".join(lines).encode(), "application/jsonl")}
    uploaded = await caller.request("POST", "/v1/files", files=sent, data={"purpose": "batch"})
    created = await caller.request(
        "POST",
        "/v1/batches",
        json={
            "input_file_id": uploaded.json()["id"],
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
        },
    )
    return str(created.json()["id"])


async def finish_batch(caller: Caller, batch_id: str, items: int, timeout_s: float) -> BatchOutcome:
    """Wait for a batch's end and compare its counts and its files with what was sent."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        view = (await caller.request("GET", f"/v1/batches/{batch_id}")).json()
        if view["status"] in {"completed", "failed", "expired", "cancelled"}:
            break
        if time.monotonic() > deadline_s:
            return BatchOutcome(items, 0, 0, [f"{view['status']} after {timeout_s:g} s: {view['request_counts']}"])
        await asyncio.sleep(POLL_S)
    counts = view["request_counts"]
    written: Counter[str] = Counter()
    for name in ("output_file_id", "error_file_id"):
        if view[name] is not None:
            content = await caller.request("GET", f"/v1/files/{view[name]}/content")
            written.update(json.loads(line)["custom_id"] for line in content.text.splitlines())
    return BatchOutcome(items, counts["completed"], counts["failed"], _faults(items, view["status"], counts, written))


def _faults(items: int, status: str, counts: dict[str, int], written: Counter[str]) -> list[str]:
    faults = []
    if status != "completed" or counts["completed"] != items or counts["failed"] or counts["total"] != items:
        faults.append(f"{status} with {counts} for {items} items")
    missing = sum(f"item-{number}" not in written for number in range(items))
    doubled = sum(count > 1 for count in written.values())
    if missing or doubled or len(written) != items - missing:
        faults.append(f"{missing} items missing, {doubled} written twice, {len(written)} in all")
    return faults
