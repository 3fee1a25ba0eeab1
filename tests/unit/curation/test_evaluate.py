"""Evaluation: means and intervals, second tries, the served API, and the machine line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer import Typer
from typer.testing import CliRunner

from api.schemas import JobSubmission
from common.errors import UnavailableError
from common.jobs import Lane
from common.prompts import conversation_messages, figures_messages, question_messages, sentiment_messages
from training import evaluate as command
from training.evaluation import bootstrap, evaluate, summary
from training.generators import Generated, Prompt, ServedGenerator, job_body
from training.tasks.tatqa import TatqaTask

CONTEXT = {
    "table": {"uid": "t", "table": [["", "2019", "2018"], ["Sales", "5", "4"]]},
    "paragraphs": [],
    "questions": [
        {
            "uid": "a",
            "question": "Sales in 2019?",
            "answer": ["5"],
            "answer_type": "span",
            "scale": "",
            "answer_from": "table",
        },
        {
            "uid": "b",
            "question": "Change in sales?",
            "answer": 1,
            "answer_type": "arithmetic",
            "derivation": "5-4",
            "scale": "",
            "answer_from": "table",
        },
    ],
}
app = Typer()
app.command()(command.main)


class Scripted:
    """Answers from a list; second tries get the list's next entries after the given prefix."""

    engine = "scripted"
    model_revision = "r1"

    def __init__(self, texts: Sequence[str], can_continue: bool = True) -> None:
        self.can_continue = can_continue
        self._texts = iter(texts)
        self.prefixes: list[str] = []

    def generate(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Generated]:
        for prompt in prompts:
            self.prefixes.append(prompt.prefix)
            yield Generated(prompt.prefix + next(self._texts), 10, 3)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "tatqa.json"
    path.write_text(json.dumps([CONTEXT]))
    return path


def test_a_broken_line_gets_one_second_try(data: Path) -> None:
    """Given one line without its scale, when evaluated, then it is continued once and scored with what came."""
    task = TatqaTask()
    generator = Scripted(["5", "=5-4 | none", " none"])
    report = evaluate(task, list(task.examples(data)), generator, 20)
    assert report.retried == 1
    assert generator.prefixes == ["", "", "5 |"]
    assert report.metrics()["em"].mean == 100
    line = summary("tatqa", report, generator)
    assert {"bench", "n", "em", "f1", "scale", "refused", "model_revision", "engine"} <= line.keys()
    assert (line["n"], line["em"], line["correct"], line["unparseable"]) == (2, 100.0, 2, 0)


def test_without_a_second_try_it_is_reported_as_unparseable(data: Path) -> None:
    task = TatqaTask()
    report = evaluate(task, list(task.examples(data)), Scripted(["5", "not in the context"], can_continue=False), 20)
    line = summary("tatqa", report, Scripted([]))
    assert (line["unparseable"], line["refused"], line["correct"], line["em"]) == (1, 1, 0, 0.0)
    assert report.buckets("em") == {"arithmetic/table": (1, 0.0), "span/table": (1, 0.0)}


def test_bootstrap_intervals_repeat_and_enclose_the_mean() -> None:
    values = [1.0] * 60 + [0.0] * 40
    interval = bootstrap(values)
    assert interval == bootstrap(values)
    assert interval.mean == pytest.approx(60)
    assert 47 < interval.low < 53 < 66 < interval.high < 72
    assert bootstrap([]).mean == 0


def test_jobs_render_to_the_very_prompt_that_was_trained(data: Path) -> None:
    """Given a question over a page, when it is sent as users send it, then the service renders the trained messages."""
    for example in TatqaTask().examples(data):
        body = job_body(Prompt(example.messages, context=example.context), 30)
        assert body["context"] == " | 2019 | 2018\nSales | 5 | 4"
        submission = JobSubmission.model_validate(body)
        assert submission.generate_request().messages == example.messages
        assert (submission.lane, submission.max_tokens) == (Lane.BULK, 30)


def test_jobs_carry_the_task_of_their_messages() -> None:
    assert job_body(Prompt(figures_messages("Why?", "A\n\nB")), 30) == {
        "question": "Why?",
        "context": "A\n\nB",
        "task": "figures",
        "max_tokens": 30,
        "lane": "bulk",
    }
    body = job_body(Prompt(sentiment_messages("Profit up")), 5)
    assert body["task"] == "sentiment"
    assert "context" not in body
    assert job_body(Prompt(question_messages("Why?", "A", None)), 5)["task"] == "text"
    turns = [("Sales?", "5 | none"), ("And in 2018?", "4 | none")]
    body = job_body(Prompt(conversation_messages(turns, "The change?", "A"), context="A | B"), 30)
    assert body["question"] == "The change?"
    assert body["context"] == "A | B"
    assert body["earlier"] == [{"question": question, "line": line} for question, line in turns]


def served(statuses: Sequence[str]) -> httpx.MockTransport:
    """A service whose queue is full once, whose job passes through the statuses."""
    seen = {"posts": 0, "gets": 0}

    def handle(request: httpx.Request) -> httpx.Response:
        job: dict[str, Any] = {
            "id": "job_1",
            "status": statuses[0],
            "result": None,
            "error": {"message": "engine fell over"},
        }
        if request.method == "POST":
            seen["posts"] += 1
            assert request.headers["Idempotency-Key"]
            if seen["posts"] == 1:
                return httpx.Response(429, headers={"Retry-After": "0"})
            return httpx.Response(202, json=job)
        seen["gets"] += 1
        job["status"] = statuses[min(seen["gets"], len(statuses) - 1)]
        if job["status"] == "succeeded":
            timings = {"engine": "native", "model_revision": "abc", "prompt_tokens": 7, "completion_tokens": 2}
            answer = {"line": "5 | none", "retried": True}
            job["result"] = {"text": "5", "timings": timings, "answer": answer}
        return httpx.Response(200, json=job)

    return httpx.MockTransport(handle)


def test_served_outputs_come_back_after_waiting() -> None:
    generator = ServedGenerator("http://test", "key", served(["queued", "running", "succeeded"]))
    outputs = list(generator.generate([Prompt(figures_messages("q", "c"))], 8))
    assert outputs == [Generated("5 | none", 7, 2, retried=True)]
    assert (generator.engine, generator.model_revision) == ("native", "abc")


def test_a_failed_job_is_an_error_with_its_reason() -> None:
    generator = ServedGenerator("http://test", None, served(["queued", "failed"]))
    with pytest.raises(UnavailableError, match="engine fell over"):
        list(generator.generate([Prompt(figures_messages("q", "c"))], 8))


def test_the_command_prints_its_line_and_writes_official_predictions(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_generator", lambda *_: Scripted(["5 | none", "=5-3 | none"]))
    out = tmp_path / "predictions.json"
    result = CliRunner().invoke(app, ["--data", str(data), "--format", "tatqa", "--predictions", str(out)])
    assert result.exit_code == 0, result.output
    line = json.loads(result.output.strip().splitlines()[-1])
    assert (line["bench"], line["n"], line["em"], line["wrong"]) == ("tatqa", 2, 50.0, 1)
    assert json.loads(out.read_text()) == {"a": [["5"], ""], "b": [["2.00"], ""]}


def test_a_second_try_of_the_service_is_counted(data: Path) -> None:
    generator = ServedGenerator("http://test", None, served(["queued", "succeeded"]))
    report = evaluate(TatqaTask(), list(TatqaTask().examples(data))[:1], generator, 8)
    assert report.retried == 1


def test_a_service_chooses_its_evidence_itself(data: Path) -> None:
    """Given a served run, when another evidence level is asked for, then it is refused before anything is sent."""
    result = CliRunner().invoke(app, ["--data", str(data), "--format", "tatqa", "--evidence", "tight"])
    assert result.exit_code == 2
    assert "tight needs --model-dir" in result.output


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--data", str(tmp_path / "none.json"), "--format", "tatqa"])
    assert result.exit_code == 2
    assert "none.json" in result.output
