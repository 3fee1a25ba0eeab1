"""Batches by the official client over real processes, killed and drained in the middle."""

import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import redis

from tests.support.bulk_runs import chat_line
from tests.support.stack import Stack
from tests.support.worker_process import QUICK_LEASES

SETTINGS = {**QUICK_LEASES, "FINANCELLM_FAKE_STEP_MS": "1", "FINANCELLM_FAKE_FAULTS": "true"}
TERMINAL = {"completed", "failed", "expired", "cancelled"}


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A gateway and two workers with the fake engine."""
    with Stack(tmp_path, "fake", 2, SETTINGS) as running:
        yield running


@pytest.fixture
def client(stack: Stack) -> Iterator[openai.OpenAI]:
    """The official client."""
    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key="none", max_retries=0) as connected:
        yield connected


def start(client: openai.OpenAI, lines: list[str]) -> Any:
    """Upload lines and create a batch over them."""
    file = client.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"run": "nightly"}
    )


def wait_for(client: openai.OpenAI, stack: Stack, batch_id: str, statuses: set[str], done: int = 0) -> Any:
    """Wait until a batch has one of the statuses and some records."""
    deadline_s = time.monotonic() + 120
    while True:
        batch = client.batches.retrieve(batch_id)
        if batch.status in statuses and batch.request_counts and batch.request_counts.completed >= done:
            return batch
        assert time.monotonic() < deadline_s, f"{batch}\n{stack.logs()}"
        time.sleep(0.05)


def ids_in(client: openai.OpenAI, file_id: str | None) -> list[str]:
    """Read the custom ids of an output or error file."""
    if file_id is None:
        return []
    return [json.loads(line)["custom_id"] for line in client.files.content(file_id).text.splitlines()]


def test_the_official_client_runs_a_batch(client: openai.OpenAI, stack: Stack) -> None:
    # Given a batch with a good, a repeated, a failing and a refused line
    lines = [
        chat_line("good", "What was revenue?"),
        chat_line("again", "What was revenue?"),
        chat_line("failing", "<<row-error>>"),
        chat_line("refused", "What?", n=3),
    ]
    batch = start(client, lines)
    assert batch.status == "validating"
    # When it has ended
    batch = wait_for(client, stack, batch.id, TERMINAL)
    # Then counts, files and list agree
    assert batch.status == "completed"
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (4, 2, 2)
    rows = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    assert {row["custom_id"] for row in rows} == {"good", "again"}
    assert rows[0]["response"]["body"]["object"] == "chat.completion"
    assert rows[0]["response"]["body"]["choices"][0]["message"]["content"]
    assert set(ids_in(client, batch.error_file_id)) == {"failing", "refused"}
    assert [listed.id for listed in client.batches.list()] == [batch.id]
    assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
    assert len(list(client.files.list())) == 3
    assert client.files.delete(batch.input_file_id).deleted
    # And a bad request tells the client why
    with pytest.raises(openai.APIStatusError) as refused:
        client.batches.create(input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h")
    assert refused.value.param == "input_file_id"
    assert "There is no file 'file-none'" in refused.value.message


def test_a_refused_file_says_why(client: openai.OpenAI, stack: Stack) -> None:
    batch = wait_for(client, stack, start(client, [chat_line("a", "x"), "{"]).id, TERMINAL)
    assert batch.status == "failed"
    assert [(error.line, error.code) for error in batch.errors.data] == [(2, "invalid_json_line")]


def test_a_batch_can_be_cancelled(client: openai.OpenAI, stack: Stack) -> None:
    # Given a batch under way
    batch = start(client, [chat_line(f"row-{n}", f"<<long>> {n}", max_tokens=60) for n in range(1500)])
    wait_for(client, stack, batch.id, {"in_progress"}, done=1)
    # When it is cancelled
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = wait_for(client, stack, batch.id, TERMINAL)
    # Then what was done is in its file, and only that is counted
    assert batch.status == "cancelled"
    done = ids_in(client, batch.output_file_id)
    assert len(done) == len(set(done)) == batch.request_counts.completed
    assert 0 < len(done) < 1500


def test_kill_and_drain_of_workers_lose_and_double_no_line(client: openai.OpenAI, stack: Stack) -> None:
    # Given 2,000 lines under way
    lines = [chat_line(f"row-{number}", f"question {number % 1900}") for number in range(2_000)]
    batch = start(client, lines)
    wait_for(client, stack, batch.id, {"in_progress"}, done=100)
    # When first one worker is killed, then another is drained, each replaced by a new one
    for stop in (signal.SIGKILL, signal.SIGTERM):
        feeding = next(worker for worker in stack.workers if worker.poll() is None)
        feeding.send_signal(stop)
        feeding.wait()
        stack.start_worker()
        counts: Any = client.batches.retrieve(batch.id).request_counts
        wait_for(client, stack, batch.id, {"in_progress", *TERMINAL}, done=min(2_000, counts.completed + 300))
    batch = wait_for(client, stack, batch.id, TERMINAL)
    # Then every line has its answer once, and Redis holds no job of it
    assert batch.status == "completed"
    assert Counter(ids_in(client, batch.output_file_id)) == Counter(f"row-{number}" for number in range(2_000))
    assert batch.error_file_id is None
    with redis.Redis.from_url(stack.redis.url) as connection:
        assert not connection.keys("*:job:*")
    names = sorted(path.name for path in (stack.folder / "files" / "runs" / batch.id).iterdir())
    assert len(names) == 1
