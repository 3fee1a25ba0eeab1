"""The command `bulk`: a folder of reports and a list of questions in, a table of checked answers out."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.bulk_client import BulkClient, upload_names
from api.cli_exit import Exit
from api.client import ApiClient, JsonObject
from api.questions_file import read_questions
from api.table_files import check_suffix, write_table
from common.errors import UnavailableError
from common.queries import QueryQuestion, Row, Scope
from common.templates import TEMPLATES

_POLL_S = 0.5
_HASH_BYTES = 1 << 20
_ENDED = frozenset({"completed", "cancelled", "failed", "expired"})
_REUSABLE = frozenset({"queued", "running", "completed"})
_MOST_SILENT_POLLS = 240

console = Console(stderr=True)


def bulk(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", exists=True, help="Reports, folders, zip files.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to write: .csv, .jsonl, .parquet or .xlsx.")],
    questions: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="One question a line, JSON lines, or CSV.")
    ] = None,
    template: Annotated[str | None, typer.Option(help="Adds a template's questions: signals.")] = None,
    scope: Annotated[Scope, typer.Option(help="Ask each document, or all together.")] = Scope.DOCUMENTS,
    wide: Annotated[bool, typer.Option("--wide", help="One line a document instead of one an answer.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Ask again what failed before.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if any row failed.")] = False,
) -> None:
    """Answer questions over reports into one table; the same command again goes on where it was broken off.

    What was sent stays with the service: after Ctrl-C or a crash nothing is uploaded or computed twice.
    """
    if questions is None and template is None:
        raise typer.BadParameter("give --questions FILE, --template signals, or both")
    check_suffix(output)
    body: JsonObject = {"questions": read_questions(questions) if questions else [], "scope": scope.value}
    body |= {"template": template} if template else {}
    files = upload_names(paths)
    if not files:
        raise typer.BadParameter("no file found in the given paths")
    with ApiClient.from_environment() as http, _bars() as bars:
        client = BulkClient(http)
        collection_id = _uploaded(client, files, bars, retry_failed)
        query = client.patiently(lambda: _query(client, collection_id, body, retry_failed))
        query = _followed(client, query, bars)
        spec_questions = [QueryQuestion.model_validate(question) for question in query["questions"]]
        write_table(output, _rows(client, query), spec_questions if wide else None)
        counts = _counts(client, query)
        failed = [document for document in client.documents(collection_id) if document["error"]]
    _report(query | {"counts": counts}, failed, output)
    nothing = counts["total"] > 0 and counts["succeeded"] == 0
    raise typer.Exit(Exit.FAILED if nothing or (strict and counts["failed"]) else Exit.DONE)


def _uploaded(client: BulkClient, files: list[tuple[str, Path]], bars: Progress, retry_failed: bool) -> str:
    """Return the collection of exactly these files; its name comes from their content, so it is found again.

    A report that could not be read is sent once more where failures are retried: it is then read anew.
    """
    hashes = {(name, path): _sha256(path) for name, path in files}
    listed = "\n".join(sorted(f"{sha256} {name}" for (name, _), sha256 in hashes.items()))
    collection_id: str = client.collection(f"bulk {hashlib.sha256(listed.encode()).hexdigest()[:24]}")["id"]
    documents = client.documents(collection_id)
    there = {(one["sha256"], one["name"]) for one in documents if not (retry_failed and one["error"])}
    task = bars.add_task("sending", total=len(files))
    for (name, path), sha256 in hashes.items():
        # An archive is listed by its contents, so it is sent again; what it holds is then found to be there.
        if (sha256, name) not in there:
            client.upload(collection_id, name, path)
        bars.advance(task)
    return collection_id


def _query(client: BulkClient, collection_id: str, body: JsonObject, retry_failed: bool) -> JsonObject:
    """Return the query that asks this already, or its newest retry, else a new one."""
    newer: list[JsonObject] = []
    for query in client.queries(collection_id):
        if query["status"] not in _REUSABLE:
            continue
        if query["retry_of"] is None and _asks(query, body):
            return _taken_up(client, query, newer, retry_failed)
        newer.append(query)
    return client.ask(collection_id, body)


def _taken_up(client: BulkClient, same: JsonObject, newer: list[JsonObject], retry_failed: bool) -> JsonObject:
    """Return the newest retry of a query, every one of which is newer, or one more retry."""
    newest = _newest_retry(newer, same)
    if retry_failed and newest["status"] == "completed" and newest["counts"]["failed"]:
        return client.retry(newest)
    return newest


def _asks(query: JsonObject, body: JsonObject) -> bool:
    template = body.get("template")
    wanted = [
        {"id": f"q{number}", "text": question} if isinstance(question, str) else question
        for number, question in enumerate(body["questions"], start=1)
    ]
    total = len(wanted) + len(TEMPLATES[template] if template else ())
    if (query["template"], query["scope"], len(query["questions"])) != (template, body["scope"], total):
        return False
    return bool(query["questions"][: len(wanted)] == wanted)


def _newest_retry(queries: list[JsonObject], query: JsonObject) -> JsonObject:
    """Return the last of a query's retries, each the newest of the one before; the query itself if it has none."""
    retry = next((one for one in queries if one["retry_of"] == query["id"]), None)
    return query if retry is None else _newest_retry(queries, retry)


def _retried(client: BulkClient, query: JsonObject) -> JsonObject:
    return client.query({**query, "id": query["retry_of"]})


def _rows(client: BulkClient, query: JsonObject) -> Iterator[Row]:
    """Yield the rows of a query; those of a retry stand in their places among the rows that it left alone."""
    if not query["retry_of"]:
        yield from client.rows(query)
        return
    again = {(row.document_id, row.question_id): row for row in client.rows(query)}
    for row in _rows(client, _retried(client, query)):
        newer = again.get((row.document_id, row.question_id))
        yield row if newer is None else newer.model_copy(update={"index": row.index})


def _counts(client: BulkClient, query: JsonObject) -> dict[str, int]:
    """Return how many rows of the table stand where: a retry's rows take the places of those that had failed."""
    counts: dict[str, int] = query["counts"]
    if not query["retry_of"]:
        return counts
    before = _counts(client, _retried(client, query))
    both = {name: before[name] + count for name, count in counts.items()}
    return both | {"total": both["total"] - before["failed"], "failed": counts["failed"]}


def _followed(client: BulkClient, query: JsonObject, bars: Progress) -> JsonObject:
    """Show a query's progress until it has ended; the service being away for a while does not end it."""
    task = bars.add_task("answers", total=None)
    silent = 0
    while True:
        try:
            query = client.query(query)
            silent = 0
        except UnavailableError:
            silent += 1
            if silent > _MOST_SILENT_POLLS:
                raise
        counts = query["counts"]
        bars.update(task, total=counts["total"] or None, completed=counts["total"] - counts["pending"])
        if query["status"] in _ENDED:
            return query
        time.sleep(_POLL_S)


def _report(query: JsonObject, failed: list[JsonObject], output: Path) -> None:
    counts = query["counts"]
    console.print(
        f"{counts['succeeded']} of {counts['total']} rows answered ({counts['verified']} with every number verified, "
        f"{counts['unverified']} not, {counts['not_found']} not found), {counts['failed']} failed, "
        f"{counts['cancelled']} cancelled: {output}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for document in failed:
        console.print(document["error"]["message"], style="yellow", markup=False, highlight=False, soft_wrap=True)
    if query["error"]:
        console.print(query["error"]["message"], style="red", markup=False, highlight=False, soft_wrap=True)


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
