"""The loss curve as JSON lines, one per optimiser step, cut back to the checkpoint when a run resumes."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

LOSSES_NAME = "losses.jsonl"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One optimiser step.

    `loss` is the mean over the step's answer tokens before the update. `example_tokens` counts what the rows hold,
    `computed_tokens` what was computed after sharing prompts; `elapsed_s` counts every process of the run.
    """

    step: int
    epoch: int
    loss: float
    learning_rate: float
    grad_norm: float
    rows: int
    example_tokens: int
    computed_tokens: int
    answer_tokens: int
    elapsed_s: float


class LossLog:
    """Appends to losses.jsonl in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOSSES_NAME

    def append(self, record: StepRecord) -> None:
        """Add one line and hand it to the operating system."""
        with self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(record)) + "\n")

    def read(self) -> list[StepRecord]:
        """Return all whole records; a line torn by a kill is left out."""
        if not self._path.is_file():
            return []
        records = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(StepRecord(**json.loads(line)))
            except ValueError:
                break
        return records

    def cut(self, steps_done: int) -> list[StepRecord]:
        """Drop what came after a checkpoint and return what is left."""
        kept = [record for record in self.read() if record.step <= steps_done]
        temporary = self._path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(asdict(record)) + "\n" for record in kept)
            lines.flush()
            os.fsync(lines.fileno())
        temporary.replace(self._path)
        return kept
