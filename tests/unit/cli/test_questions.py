"""The commands that put questions, against scripted answers."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

import httpx
import pytest

from api.cli import main
from api.cli_exit import Exit
from api.client import MOST_REFUSALS, ApiClient

AWAY = httpx.Response(503, headers={"Retry-After": "2"}, json={"code": "unavailable", "detail": "Redis is away."})
NO_MODEL = httpx.Response(503, json={"code": "model_files_error", "detail": "No model is prepared."})
ACCEPTED = httpx.Response(202, json={"id": "j"})

Command = Callable[..., int]
Service = Callable[[Iterable[httpx.Response]], None]
Told = pytest.CaptureFixture[str]


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Service:
    """Lets the commands talk to a service that gives these answers one after the other."""

    def script(given: Iterable[httpx.Response]) -> None:
        left: Iterator[httpx.Response] = iter(given)
        transport = httpx.MockTransport(lambda _: next(left))
        client = ApiClient("http://service", None, transport, waits.append)
        monkeypatch.setattr(ApiClient, "from_environment", lambda: client)

    return script


@pytest.fixture
def financellm(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command line and returns its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["financellm", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return int(caught.value.code or 0)

    return run


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "Revenue?"}\n{"question": "Cash?"}\n', "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("answer", "most_waits", "told"),
    [(AWAY, MOST_REFUSALS, "Redis is away."), (NO_MODEL, 0, "No model is prepared.")],
    ids=["away", "no model"],
)
def test_ask_waits_out_what_may_pass_and_no_longer(
    service: Service,
    financellm: Command,
    waits: list[float],
    capsys: Told,
    answer: httpx.Response,
    most_waits: int,
    told: str,
) -> None:
    """Given a service that keeps refusing, when a question is asked, then it is tried as often as may help."""
    service(repeat(answer))
    assert financellm("ask", "Revenue?") == Exit.UNREACHABLE
    assert waits == [2] * most_waits
    assert told in capsys.readouterr().err


def test_submit_waits_out_a_long_outage(
    service: Service, financellm: Command, questions: str, waits: list[float], capsys: Told
) -> None:
    # Given an outage longer than `ask` would wait
    outage = [AWAY] * (2 * MOST_REFUSALS)
    service([*outage, ACCEPTED, ACCEPTED])
    # When a file is submitted, then both its questions get through
    assert financellm("submit", questions) == Exit.DONE
    assert len(waits) == len(outage)
    assert capsys.readouterr().out.splitlines() == ["j", "j"]


def test_submit_ends_at_once_where_there_is_no_model(
    service: Service, financellm: Command, questions: str, waits: list[float], capsys: Told
) -> None:
    # Given a service that accepts one question and then has no model
    service([ACCEPTED, NO_MODEL])
    # When a file is submitted, then the command ends with what is to be done, and no line is blamed
    assert financellm("submit", questions) == Exit.UNREACHABLE
    told = capsys.readouterr()
    assert told.out.splitlines() == ["j"]
    assert told.err.strip() == "No model is prepared."
    assert waits == []
