"""The live view of a service."""

from collections.abc import Callable, Iterator
from io import StringIO

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from api import cli_top
from api.cli import app
from api.client import ApiClient, JsonObject
from api.routes.overview import ServiceOverview
from api.top_view import Sample, frame
from common.jobs import Lane
from common.operations import claim, heartbeat, overview, submit
from common.store import JobStore
from tests.support.values import WORKER, new_job


def seen(store: JobStore) -> JsonObject:
    """The overview as the wire has it."""
    now = store.run(overview())
    return ServiceOverview(**now.model_dump(), tokens_per_second=now.tokens_per_second).model_dump(mode="json")


def text_of(now: Sample, before: Sample | None = None) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(frame("http://service", now, before))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def row(text: str, name: str) -> list[str]:
    """The cells of the line that begins with a name."""
    return next(line.split() for line in text.splitlines() if line.startswith(name))


def test_lanes_and_workers_are_shown(memory_store: JobStore) -> None:
    # Given two workers of 100 tokens a second, one of them draining, and a bulk of 5 jobs of 100 tokens
    memory_store.run(heartbeat(WORKER.model_copy(update={"running": 3}), 1_000, []))
    memory_store.run(heartbeat(WORKER.model_copy(update={"name": "w2", "draining": True}), 1_000, []))
    for _ in range(5):
        memory_store.run(submit(new_job(lane=Lane.BULK), 1_000_000, 60))
    text = text_of(Sample(seen(memory_store), 0.0))
    # Then the lane says how much waits and when it will be done, and each worker how full it is
    assert row(text, "bulk")[:3] == ["bulk", "5", "500"]
    assert row(text, "bulk")[-2:] == ["5", "s"]
    assert row(text, "w1")[3] == "3/4"
    assert row(text, "w2")[-1] == "draining"
    assert "5 accepted" in text


def test_rates_come_from_two_looks(memory_store: JobStore) -> None:
    before = Sample(seen(memory_store), 10.0)
    later = Sample(before.overview | {"counts": {"succeeded": 6, "failed": 2, "leases_lost": 1}}, 14.0)
    assert later.jobs_per_second(before) == 2
    text = text_of(later, before)
    assert "2.0 jobs/s" in text
    assert "1 taken back from lost workers" in text
    assert "- jobs/s" in text_of(later)


def test_an_empty_service_says_what_is_missing(memory_store: JobStore) -> None:
    memory_store.run(submit(new_job(), 1_000_000, 60))
    memory_store.run(claim("w1", Lane.INTERACTIVE, 10_000))
    text = text_of(Sample(seen(memory_store), 0.0))
    assert "No worker is there" in text
    assert "1 running" in text


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the command talk to a service that gives these answers one after the other."""

    def script(*given: httpx.Response | None) -> None:
        left: Iterator[httpx.Response | None] = iter(given)

        def handle(request: httpx.Request) -> httpx.Response:
            assert request.url.path == "/v1/overview"
            answer = next(left)
            if answer is None:
                raise httpx.ConnectError("refused")
            return answer

        client = ApiClient("http://service", None, httpx.MockTransport(handle))
        monkeypatch.setattr(ApiClient, "from_environment", lambda: client)
        monkeypatch.setattr("time.sleep", lambda _seconds: None)
        monkeypatch.setattr(cli_top, "console", Console(width=100))

    return script


def test_the_view_outlives_an_outage(memory_store: JobStore, answers: Callable[..., None]) -> None:
    # Given a service that is away between two looks, and once has no Redis
    busy = httpx.Response(503, json={"detail": "Redis does not answer."})
    answers(httpx.Response(200, json=seen(memory_store)), None, busy, httpx.Response(200, json=seen(memory_store)))
    # When watched for four looks, then the last one is shown and the command ends well
    done = CliRunner().invoke(app, ["top", "--times", "4"])
    assert done.exit_code == 0, done.output
    assert "interactive" in done.output


def test_a_service_that_was_never_there_is_an_error(answers: Callable[..., None]) -> None:
    answers(None)
    done = CliRunner().invoke(app, ["top", "--times", "1"])
    assert done.exit_code != 0
