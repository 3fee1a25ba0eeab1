"""The command `top`: a live view of a running service."""

import time
from itertools import count
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from api.client import ApiClient, ApiProblemError
from api.top_view import Sample, frame
from common.errors import UnavailableError

console = Console()


def top(
    interval_s: Annotated[float, typer.Option("--interval", min=0.2, max=60, help="Seconds between looks.")] = 1.0,
    times: Annotated[int, typer.Option(min=0, help="End after so many looks; 0 goes on until Ctrl-C.")] = 0,
) -> None:
    """Watch lanes, workers, batch sizes and rates live."""
    with ApiClient.from_environment() as client:
        before = _look(client)
        with Live(frame(client.url, before, None), console=console, auto_refresh=False) as live:
            for look in count(1):
                if look == times:
                    return
                time.sleep(interval_s)
                try:
                    now = _look(client)
                except (UnavailableError, ApiProblemError) as error:
                    # What was seen last would be mistaken for what is.
                    live.update(Text(error.message, style="red"), refresh=True)
                    continue
                live.update(frame(client.url, now, before), refresh=True)
                before = now


def _look(client: ApiClient) -> Sample:
    return Sample(client.overview(), time.monotonic())
