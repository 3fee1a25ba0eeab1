"""Commands that put questions: ask one and wait, submit many and go."""

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from api.cli_exit import Exit
from api.cli_jobs import exit_code, show_end, show_event, show_result
from api.client import MOST_REFUSALS, ApiClient, ApiProblemError, JsonObject
from common.finance_tasks import Task
from common.jobs import JobStatus, Lane

STDIN = "-"
_LONG_POLL_S = 30.0

_System = Annotated[str | None, typer.Option(help="Replaces the built-in instructions to the model.")]
_Context = Annotated[
    str | None, typer.Option(help="File with the text the answer is taken from; - reads standard input.")
]
_Task = Annotated[
    Task | None, typer.Option(help="figures, text or sentiment; by default the question and the context decide.")
]
_MaxTokens = Annotated[int | None, typer.Option(min=1, help="Most tokens to generate.")]
_Temperature = Annotated[float | None, typer.Option(min=0, max=2, help="0 always takes the likeliest token.")]
_Deadline = Annotated[float | None, typer.Option(help="Give up after this many seconds.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

errors = Console(stderr=True)


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    context: _Context = None,
    system: _System = None,
    task: _Task = None,
    max_tokens: _MaxTokens = None,
    temperature: _Temperature = None,
    deadline_s: _Deadline = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it is generated.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Ask one question and wait for the answer; Ctrl-C cancels it."""
    request = _without_none(
        question=question,
        context=None if context is None else _read_text(context),
        system=system,
        task=task,
        max_tokens=max_tokens,
        temperature=temperature,
        deadline_s=deadline_s,
    )
    with ApiClient.from_environment() as client:
        job_id = client.submit_patiently(request, uuid.uuid4().hex, MOST_REFUSALS)["id"]
        try:
            job = _stream(client, job_id) if stream and not as_json else _wait(client, job_id)
        except KeyboardInterrupt:
            client.cancel(job_id)
            raise
    if as_json:
        typer.echo(json.dumps(job, indent=2))
    elif not stream:
        show_result(job)
    raise typer.Exit(exit_code(job))


def submit(
    what: Annotated[str, typer.Argument(metavar="FILE|QUESTION", help="JSONL file, - for stdin, or a question.")],
    context: _Context = None,
    lane: Annotated[Lane | None, typer.Option(help="Default: bulk for a file, interactive for a question.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Idempotency key: the same file under the same key is not submitted twice.")
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Submit questions without waiting; prints one job id a line, waiting whenever the queue is full.

    Each line of a file is a request as POST /v1/jobs takes it: {"question": ..., "context": ..., "max_tokens": ...}.
    A line that is refused is reported on standard error, and the others are submitted all the same. A refusal that
    would meet every line, such as of a key or for want of a model, ends the command.
    """
    lines = _read_lines(what)
    requests = _parse(lines) if lines is not None else [(1, _question(what, context))]
    default_lane = lane or (Lane.INTERACTIVE if lines is None else Lane.BULK)
    prefix = key or uuid.uuid4().hex
    refused = 0
    with ApiClient.from_environment() as client:
        for number, request in requests:
            try:
                if isinstance(request, ValueError):
                    raise request
                job = client.submit_patiently({"lane": default_lane} | request, f"{prefix}-{number}")
            except (ApiProblemError, ValueError) as error:
                if isinstance(error, ApiProblemError) and error.meets_every_request:
                    raise
                refused += 1
                errors.print(f"line {number}: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
                continue
            typer.echo(json.dumps(job) if as_json else job["id"])
    raise typer.Exit(Exit.REFUSED if refused else Exit.DONE)


def _stream(client: ApiClient, job_id: str) -> JsonObject:
    for event in client.events(job_id):
        if event.type.is_terminal:
            show_end(event.data["job"])
            job: JsonObject = event.data["job"]
            return job
        show_event(event)
    return client.job(job_id)


def _wait(client: ApiClient, job_id: str) -> JsonObject:
    while True:
        job = client.job(job_id, _LONG_POLL_S)
        if JobStatus(job["status"]).is_terminal:
            return job


def _question(question: str, context: str | None) -> JsonObject:
    return _without_none(question=question, context=None if context is None else _read_text(context))


def _without_none(**values: Any) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}


def _read_text(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{name} is not UTF-8 text: byte {error.start} cannot be decoded.") from error


def _read_lines(what: str) -> list[str] | None:
    """Return a file's lines, None if the argument is no file but a question."""
    if what == STDIN or _is_file(what):
        # JSON strings may hold the other characters at which splitlines() splits.
        return _read_text(what).split("\n")
    if what.endswith((".jsonl", ".ndjson", ".json")):
        raise typer.BadParameter(f"There is no file {what}.")
    return None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:
        # A question may be longer than any file name.
        return False


def _parse(lines: list[str]) -> Iterator[tuple[int, JsonObject | ValueError]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            request = json.loads(line)
        except ValueError as error:
            yield number, ValueError(f"not JSON: {error}")
            continue
        yield number, request if isinstance(request, dict) else ValueError("not a JSON object")
