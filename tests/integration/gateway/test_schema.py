"""The whole API under schemathesis: generated requests, sound and broken, against what the description promises."""

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.keys import new_api_key
from tests.support.stack import Stack

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed; make test installs it"
)
# Long polls and streams are cut short: what they answer is looked at, not how long they can.
SETTINGS = {
    "FINANCELLM_MAX_WAIT_S": "0.2",
    "FINANCELLM_EVENT_STREAM_LIFETIME_S": "0.2",
    "FINANCELLM_HEARTBEAT_S": "0.1",
    "FINANCELLM_FAKE_STEP_MS": "0.1",
}
# What a schema cannot say: that a file or a document is there, that a prompt fits, that a key is new.
CONFIG = """
[[operations]]
include-name = ["POST /v1/jobs", "POST /v1/collections/{collection_id}/queries"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]

[[operations]]
include-name = ["POST /v1/chat/completions", "POST /v1/batches", "POST /v1/files"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]

[[operations]]
include-name = "POST /v1/collections/{collection_id}/queries/{query_id}/retry"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]

[[operations]]
include-name = "GET /v1/collections/{collection_id}/documents/{document_id}/pages/{number}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "422"]
"""
CASES_AN_OPERATION = 8
MOST_SECONDS = 600
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """The whole service behind a key."""
    key, entry = new_api_key("tester")
    settings = SETTINGS | {"FINANCELLM_API_KEY_HASHES": entry}
    with Stack(tmp_path_factory.mktemp("schema"), "fake", env=settings, api_key=key) as stack:
        # Made at the first request, which on a busy machine takes longer than the program waits for it.
        httpx.get(f"{stack.url}/openapi.json", timeout=120).raise_for_status()
        yield stack, key


@pytest.mark.timeout(MOST_SECONDS + 60)
def test_every_operation_keeps_its_promises(guarded: tuple[Stack, str], tmp_path: Path) -> None:
    """Given the description, when requests are made from it, then every answer is one that it names."""
    stack, key = guarded
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    report = tmp_path / "report"
    command = [
        *(sys.executable, "-W", "ignore", "-c", PROGRAM, "run", f"{stack.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {key}", "--checks", "all"),
        *("--max-examples", os.environ.get("SCHEMA_CASES", str(CASES_AN_OPERATION)), "--seed", "1", "--no-shrink"),
        *("--request-timeout", "30", "--generation-database", "none", "--no-color"),
        *("--report", "ndjson", "--report-dir", str(report)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=MOST_SECONDS)
    assert done.returncode == 0, f"{done.stdout[-12_000:]}\n{done.stderr[-2_000:]}\n{stack.logs()}"
    assert stack.api is not None
    assert stack.api.poll() is None


def test_no_request_ended_in_a_defect(guarded: tuple[Stack, str]) -> None:
    """Given the requests of the test above, when the gateway's log is read, then none crashed, and there were many."""
    stack, _ = guarded
    lines = [json.loads(line) for line in (stack.folder / "logs" / "api.log").read_text("utf-8").splitlines()]
    events = Counter(line["event"] for line in lines)
    statuses = Counter(line["status"] for line in lines if line["event"] == "request")
    assert events["request"] > 500
    assert not events["request_crashed"]
    assert not [status for status in statuses if status is None or status >= 500]
