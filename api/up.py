"""`financellm up`: the whole service on this machine, from nothing to a served sample and back."""

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from api.client import ApiClient
from api.folder_lock import folder_lock
from api.local_stack import LocalStack
from api.sample_run import SampleRun
from api.settings import load_settings
from api.stop_signals import StopRequestedError, StopSignals

EXIT_INTERRUPTED = 130
WATCH_INTERVAL_S = 0.5


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user asked for; `port` None is the configured one or a free one near; `once` ends after the sample."""

    workers: int
    port: int | None
    sample: bool
    once: bool


def run_up(options: UpOptions, console: Console) -> int:
    """Start everything, serve until asked to stop, stop everything; returns the exit code.

    Raises FinanceLLMError that says which part failed and shows the end of its log.
    """
    settings = load_settings()
    with folder_lock(settings.data_dir), StopSignals() as stop:
        stack = LocalStack(settings, console, stop)
        try:
            return _serve(stack, options, console, stop)
        except StopRequestedError:
            return EXIT_INTERRUPTED
        finally:
            stack.stop()


def _serve(stack: LocalStack, options: UpOptions, console: Console, stop: StopSignals) -> int:
    stack.start(options.workers, options.port)
    if options.sample or options.once:
        failed = _run_sample(stack, console, stop)
        if options.once:
            return 1 if failed else 0
    lines = (f"Serving at {stack.url}", f"API docs   {stack.url}/docs", "Ctrl-C stops every process started here.")
    console.print(*lines, sep="\n", markup=False, highlight=False, soft_wrap=True)
    return _watch(stack.check, stop)


def _run_sample(stack: LocalStack, console: Console, stop: StopSignals) -> int:
    def between_polls() -> None:
        stop.pause()
        stack.check()

    with ApiClient(stack.url, stack.api_key) as client:
        return SampleRun(client, console, between_polls).run()


def _watch(check: Callable[[], None], stop: StopSignals) -> int:
    try:
        while True:
            stop.pause(WATCH_INTERVAL_S)
            check()
    except StopRequestedError:
        return 0
