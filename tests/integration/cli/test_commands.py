"""The command line as a person or a script uses it, against a real gateway, Redis and a worker with the fake engine."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.keys import new_api_key
from tests.support.stack import Stack

JOB_ID = r"job_[0-9a-f]{28}"
UNKNOWN_ID = "job_" + "0" * 28
# Slow enough to be caught at work.
STEP_MS = "20"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    env = {"FINANCELLM_FAKE_STEP_MS": STEP_MS}
    with Stack(tmp_path_factory.mktemp("commands"), "fake", env=env) as running:
        yield running


@pytest.fixture
def run(stack: Stack) -> Run:
    def run_command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*arguments), env=environment(stack), capture_output=True, text=True, **options)

    return run_command


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "api.cli", *arguments]


def environment(stack: Stack, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FINANCELLM_")}
    return {**kept, "FINANCELLM_API_URL": stack.url, "NO_COLOR": "1", "COLUMNS": "120", **more}


def job_of(stack: Stack, job_id: str) -> dict[str, Any]:
    job: dict[str, Any] = httpx.get(f"{stack.url}/v1/jobs/{job_id}").json()
    return job


def wait_until_alive(stack: Stack, timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        with suppress(httpx.TransportError):
            httpx.get(f"{stack.url}/livez")
            return
        time.sleep(0.1)
    raise TimeoutError(stack.logs())


def test_ask_prints_the_answer_alone_on_stdout(run: Run) -> None:
    done = run("ask", "What was revenue?", "--max-tokens", "40")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "tokens/s" not in done.stdout
    assert re.search(r"queue .* ms · prefill .* ms · decode .* ms", done.stderr)


def test_a_streamed_answer_is_the_same_answer(run: Run) -> None:
    plain = run("ask", "What was revenue?", "--max-tokens", "40")
    streamed = run("ask", "What was revenue?", "--max-tokens", "40", "--stream")
    assert streamed.returncode == 0, streamed.stderr
    assert streamed.stdout.strip() == plain.stdout.strip()
    assert "running" in streamed.stderr


def test_a_context_is_read_from_a_file_or_standard_input(run: Run, tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    report.write_text("Umsatz: 4 Mio. €", encoding="utf-8")
    from_file = run("ask", "q", "--context", str(report), "--json")
    from_stdin = run("ask", "q", "--context", "-", "--json", input="Umsatz: 4 Mio. €", encoding="utf-8")
    tokens = [json.loads(done.stdout)["prompt_tokens"] for done in (from_file, from_stdin, run("ask", "q", "--json"))]
    assert tokens[0] == tokens[1] > tokens[2]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"\xff\xfe", "not UTF-8"), (b"", "cannot be read")]
)
def test_a_context_that_cannot_be_read_is_wrong_usage(
    run: Run, tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "context"
    if content:
        path.write_bytes(content)
    elif content is not None:
        path.mkdir()
    done = run("ask", "q", "--context", str(path))
    assert done.returncode == 2
    assert message in done.stderr


def test_a_refused_question_is_told_in_plain_words(run: Run) -> None:
    done = run("ask", "   ")
    assert done.returncode == 4
    assert "question" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_without_a_service_there_is_advice(stack: Stack) -> None:
    env = environment(stack) | {"FINANCELLM_API_URL": "http://127.0.0.1:1"}
    done = subprocess.run(command("jobs"), env=env, capture_output=True, text=True)
    assert done.returncode == 3
    assert "financellm up" in done.stderr


def test_a_file_is_submitted_line_by_line_and_bad_lines_do_not_stop_it(run: Run, stack: Stack, tmp_path: Path) -> None:
    # Given a file with good and bad lines
    lines = [
        json.dumps({"question": "first", "max_tokens": 4, "metadata": {"row": "1"}}),
        "",
        "{not json",
        json.dumps(["a list"]),
        json.dumps({"question": "third", "maxtokens": 4}),
        json.dumps({"question": "fourth", "max_tokens": 4, "lane": "interactive"}),
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    # When it is submitted
    done = run("submit", str(path))
    # Then the good lines are jobs, and each bad one is named
    assert done.returncode == 4
    ids = done.stdout.split()
    assert len(ids) == 2
    assert all(re.fullmatch(JOB_ID, job_id) for job_id in ids)
    assert [job_of(stack, job_id)["lane"] for job_id in ids] == ["bulk", "interactive"]
    assert re.findall(r"line (\d+):", done.stderr) == ["3", "4", "5"]
    assert "maxtokens" in done.stderr


def test_the_same_file_under_the_same_key_is_the_same_jobs(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "a", "max_tokens": 4}\n{"question": "b", "max_tokens": 4}\n', encoding="utf-8")
    first = run("submit", str(path), "--key", "june")
    second = run("submit", str(path), "--key", "june")
    third = run("submit", "-", input=path.read_text("utf-8"))
    assert first.returncode == second.returncode == third.returncode == 0
    assert first.stdout == second.stdout
    assert not set(first.stdout.split()) & set(third.stdout.split())


def test_one_question_is_submitted_to_the_interactive_lane(run: Run, stack: Stack) -> None:
    job_id = run("submit", "What is EBITDA?").stdout.strip()
    assert job_of(stack, job_id)["lane"] == "interactive"


def test_a_missing_file_is_not_taken_for_a_question(run: Run) -> None:
    done = run("submit", "nowhere.jsonl")
    assert done.returncode == 2
    assert "no file nowhere.jsonl" in done.stderr


def test_watch_follows_a_job_to_its_end(run: Run) -> None:
    job_id = run("submit", "What is EBITDA?").stdout.strip()
    live = run("watch", job_id)
    assert live.returncode == 0, live.stderr
    # When it is watched as JSON, then every event is a line
    events = [json.loads(line) for line in run("watch", job_id, "--json").stdout.splitlines()]
    assert [events[0]["event"], events[1]["event"], events[-1]["event"]] == ["queued", "running", "succeeded"]
    assert "".join(event["text"] for event in events if event["event"] == "token").strip() == live.stdout.strip()
    # And from an event on, only what came later
    rest = run("watch", job_id, "--json", "--after", events[-2]["id"]).stdout.splitlines()
    assert [json.loads(line)["id"] for line in rest] == [events[-1]["id"]]


def test_watching_an_unknown_job_is_refused(run: Run) -> None:
    done = run("watch", UNKNOWN_ID)
    assert done.returncode == 4
    assert UNKNOWN_ID in done.stderr or "no such" in done.stderr.lower()


def test_jobs_are_listed_page_by_page(run: Run) -> None:
    ids = [run("submit", f"question {number}").stdout.strip() for number in range(3)]
    page = json.loads(run("jobs", "--limit", "2", "--json").stdout)
    assert [job["id"] for job in page["data"]] == [ids[2], ids[1]]
    table = run("jobs", "--limit", "1", "--after", ids[1])
    assert ids[0] in table.stdout
    assert ids[1] not in table.stdout.splitlines()[3]
    assert f"--after {ids[0]}" in table.stdout


def test_a_job_is_cancelled(run: Run, stack: Stack) -> None:
    job_id = run("submit", "Tell a very long story.").stdout.strip()
    done = run("cancel", job_id)
    assert done.returncode == 0
    assert job_id in done.stdout
    assert job_of(stack, job_id)["status"] in {"cancelled", "running", "succeeded"}
    assert run("watch", job_id).returncode == (0 if job_of(stack, job_id)["status"] == "succeeded" else 1)


def test_interrupting_a_question_cancels_it(stack: Stack) -> None:
    # Given a question that is being answered
    process = subprocess.Popen(
        command("ask", "Tell a very long story.", "--max-tokens", "2000", "--stream"),
        env=environment(stack, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "running" not in (line := process.stderr.readline()):
        assert line, "the command ended before its job ran"
    # When its asker gives up
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    # Then nobody goes on computing
    assert process.returncode == 130
    newest = httpx.get(f"{stack.url}/v1/jobs", params={"limit": 1}).json()["data"][0]
    deadline_s = time.monotonic() + 30
    while (status := job_of(stack, newest["id"])["status"]) == "running":
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert status == "cancelled"


def test_a_new_key_is_printed_once_with_its_entry(run: Run) -> None:
    done = run("key", "new", "research", "--json")
    made = json.loads(done.stdout)
    assert made["entry"].startswith("research=")
    assert made["key"] not in made["entry"]
    assert run("key", "new", "a b").returncode == 1


def test_doctor_speaks_to_people_and_programs(run: Run, tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.returncode in {0, 1}
    assert "Python" in done.stdout
    findings = json.loads(run("doctor", "--json", cwd=tmp_path).stdout)
    assert {"subject", "severity", "seen", "advice"} == set(findings[0])


def test_the_version_is_printed(run: Run) -> None:
    assert re.fullmatch(r"financellm \d+\.\d+\.\d+\n", run("--version").stdout)


def test_a_pipe_that_closes_early_is_no_error(stack: Stack) -> None:
    line = f"{sys.executable} -m api.cli jobs --json | head -c 1"
    done = subprocess.run(["bash", "-c", line], env=environment(stack), capture_output=True, text=True)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_a_service_with_keys_needs_the_right_one(stack: Stack, tmp_path: Path) -> None:
    # Given a gateway that knows one key
    key, entry = new_api_key("tester")
    guarded = Stack(tmp_path, "fake", workers=0, env={"FINANCELLM_API_KEY_HASHES": entry})
    try:
        guarded.redis.start()
        guarded.start_api()
        wait_until_alive(guarded)
        env = environment(stack) | {"FINANCELLM_API_URL": guarded.url}
        # When it is asked without and with it
        without, with_key = (
            subprocess.run(command("submit", "q"), env=env | more, capture_output=True, text=True)
            for more in ({}, {"FINANCELLM_API_KEY": key})
        )
    finally:
        guarded.__exit__(None, None, None)
    # Then only the key's owner is served, and the key is printed nowhere
    assert without.returncode == 4
    assert "API key" in without.stderr
    assert with_key.returncode == 0, with_key.stderr
    assert key not in with_key.stdout + with_key.stderr
