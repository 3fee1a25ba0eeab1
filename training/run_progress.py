"""How a training run shows itself: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich import progress as rich_progress
from rich.console import Console

from training.loss_log import StepRecord

LINE_INTERVAL_S = 30.0
_SMOOTHING_STEPS = 20


class RunProgress:
    """Shows step, smoothed loss, example tokens per second of this process, and the time left."""

    def __init__(self, console: Console, planned_steps: int, earlier: Sequence[StepRecord]) -> None:
        self._console = console
        self._planned_steps = planned_steps
        self._losses = [record.loss for record in earlier[-_SMOOTHING_STEPS:]]
        self._example_tokens = 0
        self._steps = 0
        self._started_s = self._line_s = time.monotonic()
        columns = (
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
        )
        self._bar = rich_progress.Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("Training", total=planned_steps, completed=len(earlier))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def report(self, record: StepRecord) -> None:
        """Show one finished step."""
        self._losses = [*self._losses, record.loss][-_SMOOTHING_STEPS:]
        self._example_tokens += record.example_tokens
        self._steps += 1
        elapsed_s = time.monotonic() - self._started_s
        state = f"loss {sum(self._losses) / len(self._losses):.4f}, {self._example_tokens / elapsed_s:.0f} tokens/s"
        self._bar.update(self._task, completed=record.step, description=f"Training, {state}")
        if self._console.is_terminal or (time.monotonic() - self._line_s < LINE_INTERVAL_S and self._steps > 1):
            return
        self._line_s = time.monotonic()
        left_min = (self._planned_steps - record.step) * elapsed_s / self._steps / 60
        self._console.print(
            f"step {record.step} of {self._planned_steps}, {state}, about {left_min:.0f} min left", highlight=False
        )
