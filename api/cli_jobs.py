"""Commands on jobs that exist: watch, jobs, cancel."""

import json
from typing import Annotated

import typer
from rich.console import Console

from api.cli_answers import proof_lines, was_rewritten
from api.cli_exit import Exit
from api.cli_output import print_jobs, status_text, timing_line
from api.client import ApiClient, JsonObject, StreamEvent
from common.events import EventType
from common.jobs import JobStatus

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

console = Console()
errors = Console(stderr=True)


def watch(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a job.")],
    after: Annotated[str | None, typer.Option(help="Only events after this event id.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Follow a job live, from its first event to its end; exit 0 if it succeeded."""
    with ApiClient.from_environment() as client:
        for event in client.events(job_id, after):
            if as_json:
                typer.echo(json.dumps({"id": event.id, "event": event.type, **event.data}))
            else:
                show_event(event)
        job = client.job(job_id)
    raise typer.Exit(exit_code(job))


def jobs(
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most jobs to list.")] = 20,
    after: Annotated[str | None, typer.Option(help="Go on below this job id.")] = None,
    as_json: _AsJson = False,
) -> None:
    """List your jobs, newest first."""
    with ApiClient.from_environment() as client:
        page = client.jobs(limit, after)
    if as_json:
        typer.echo(json.dumps(page, indent=2))
        return
    if not page["data"]:
        console.print("No jobs.")
        return
    print_jobs(console, page["data"])
    if page["has_more"]:
        more = f"More: financellm jobs --after {page['last_id']}"
        console.print(more, markup=False, highlight=False, soft_wrap=True)


def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs.")],
    as_json: _AsJson = False,
) -> None:
    """Cancel queued jobs at once and ask running ones to stop; a job that has ended stays as it is."""
    with ApiClient.from_environment() as client:
        for job_id in job_ids:
            job = client.cancel(job_id)
            if as_json:
                typer.echo(json.dumps(job))
            else:
                asked = " (stopping)" if job["status"] == JobStatus.RUNNING else ""
                typer.echo(f"{job_id} {job['status']}{asked}")


def show_event(event: StreamEvent) -> None:
    """Print one event; text of the answer goes to stdout, everything else to stderr."""
    if event.type == EventType.TOKEN:
        typer.echo(event.data["text"], nl=False)
        return
    if event.type.is_terminal:
        show_end(event.data["job"])
        return
    details = (f"{name} {event.data[name]}" for name in ("worker", "attempt", "reason") if name in event.data)
    line = status_line(event.type, " ".join(details))
    errors.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def show_end(job: JsonObject) -> None:
    """Print how a job ended whose text was streamed; text that the stream did not show follows on its own line."""
    if job["status"] != JobStatus.SUCCEEDED:
        _show_reason(job)
        return
    typer.echo()
    if was_rewritten(job):
        typer.echo(job["result"]["text"].strip())
    _show_details(job)


def show_result(job: JsonObject) -> None:
    """Print an ended job's answer, with its proof and timings on standard error, or why there is none."""
    if job["status"] != JobStatus.SUCCEEDED:
        _show_reason(job)
        return
    typer.echo(job["result"]["text"].strip())
    _show_details(job)


def status_line(name: str, details: str) -> str:
    """Return an event's name with what is known of it."""
    return f"{name} {details}".strip()


def exit_code(job: JsonObject) -> Exit:
    """Return 0 for a job that succeeded, else 1."""
    return Exit.DONE if job["status"] == JobStatus.SUCCEEDED else Exit.FAILED


def _show_details(job: JsonObject) -> None:
    for line in (*proof_lines(job), timing_line(job)):
        errors.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)


def _show_reason(job: JsonObject) -> None:
    reason = f": {job['error']['message']}" if job["error"] else "."
    errors.print(status_text(job["status"]), reason, sep="", markup=False, highlight=False, soft_wrap=True)
