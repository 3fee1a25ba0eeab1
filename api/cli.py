"""The command line, `financellm`: an HTTP client that also starts the other parts as processes."""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from api import cli_bulk, cli_jobs, cli_local, cli_questions, cli_top
from api.cli_exit import Exit
from api.client import ApiProblemError
from common.errors import FinanceLLMError, UnavailableError

HELP = """Ask finance questions over company disclosures, on your own machine.

Set FINANCELLM_API_URL (default http://127.0.0.1:8000) and, where the service needs one, FINANCELLM_API_KEY."""

EPILOG = (
    "Exit codes: 0 done · 1 a job did not succeed, or something on this machine is wrong · 2 wrong usage · "
    "3 no service answers · 4 the service refused the request · 130 interrupted"
)

app = typer.Typer(
    help=HELP,
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
)
model_app = typer.Typer(help="The model that workers serve.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    try:
        typer.echo(f"financellm {version('financellm')}")
    except PackageNotFoundError:
        typer.echo("financellm (not installed)")
    raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


app.command("up")(cli_local.up)
app.command("ask")(cli_questions.ask)
app.command("submit")(cli_questions.submit)
app.command("bulk")(cli_bulk.bulk)
app.command("watch")(cli_jobs.watch)
app.command("jobs")(cli_jobs.jobs)
app.command("cancel")(cli_jobs.cancel)
app.command("top")(cli_top.top)
app.command("doctor")(cli_local.doctor)
model_app.command("prepare")(cli_local.prepare_model)
key_app.command("new")(cli_local.new_key)
app.add_typer(model_app, name="model")
app.add_typer(key_app, name="key")


def main() -> None:
    """Run the command line; errors raised on purpose end it with their message and an exit code."""
    try:
        app()
    except ApiProblemError as problem:
        _fail(problem.message, Exit.UNREACHABLE if problem.status >= 500 else Exit.REFUSED)
    except UnavailableError as error:
        _fail(error.message, Exit.UNREACHABLE)
    except FinanceLLMError as error:
        _fail(error.message, Exit.FAILED)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe has seen enough; the interpreter must not complain about it at exit.
        sys.stderr.close()
        sys.exit(Exit.DONE)


def _fail(message: str, code: Exit) -> None:
    typer.secho(message, err=True, fg="red")
    sys.exit(code)


if __name__ == "__main__":
    main()
