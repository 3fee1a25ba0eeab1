"""Scores a generator on a task: means with bootstrap intervals, outcomes counted apart, errors by kind."""

import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from common.answers import parse_line, resolve, retry_prefix
from common.errors import UnparseableAnswerError
from training.generators import Generated, Generator, Prompt
from training.tasks.base import Example, Outcome, RowScore, Task

_RESAMPLES = 2000
_LINE_TASKS = frozenset({"tatqa", "finqa", "convfinqa", "statements", "analyst", "refusal"})


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean in percent with its 95% bootstrap interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Report:
    """All rows' scores with the outputs they came from."""

    rows: tuple[RowScore, ...]
    outputs: tuple[Generated, ...]
    retried: int

    def metrics(self) -> dict[str, Interval]:
        """Return every metric's mean and interval."""
        names = list(dict.fromkeys(name for row in self.rows for name in row.metrics))
        return {name: bootstrap([row.metrics.get(name, 0.0) for row in self.rows]) for name in names}

    def outcomes(self) -> Counter[Outcome]:
        """Return how many rows were correct, wrong, refused and unparseable."""
        return Counter(row.outcome for row in self.rows)

    def buckets(self, metric: str) -> dict[str, tuple[int, float]]:
        """Return (rows, mean in percent) of a metric for each kind of row."""
        values: dict[str, list[float]] = defaultdict(list)
        for row in self.rows:
            values[row.bucket].append(row.metrics.get(metric, 0.0))
        return {name: (len(found), 100 * statistics.fmean(found)) for name, found in sorted(values.items())}

    def mean_tokens(self) -> tuple[float, float]:
        """Return the mean prompt and completion tokens."""
        if not self.outputs:
            return 0.0, 0.0
        return (
            statistics.fmean(output.prompt_tokens for output in self.outputs),
            statistics.fmean(output.completion_tokens for output in self.outputs),
        )


def evaluate(
    task: Task,
    examples: Sequence[Example],
    generator: Generator,
    max_tokens: int,
    on_row: Callable[[], None] | None = None,
) -> Report:
    """Generate and score every row; an unparseable line gets one constrained second try, here or in the service."""
    outputs = []
    prompts = [Prompt(example.messages, context=example.context) for example in examples]
    for output in generator.generate(prompts, max_tokens):
        outputs.append(output)
        if on_row is not None:
            on_row()
    retried = sum(output.retried for output in outputs)
    if generator.can_continue and task.name in _LINE_TASKS:
        broken = [number for number, output in enumerate(outputs) if not _is_readable(output.text)]
        prompts = [Prompt(examples[number].messages, retry_prefix(outputs[number].text)) for number in broken]
        retried = len(broken)
        for number, output in zip(broken, generator.generate(prompts, max_tokens), strict=True):
            outputs[number] = output
    rows = tuple(task.score(example, output.text) for example, output in zip(examples, outputs, strict=True))
    return Report(rows, tuple(outputs), retried)


def bootstrap(values: Sequence[float], seed: int = 0) -> Interval:
    """Return the mean in percent with its 95% percentile bootstrap interval (2,000 resamples, fixed seed)."""
    if not values:
        return Interval(0.0, 0.0, 0.0)
    rng = random.Random(seed)
    means = sorted(100 * statistics.fmean(rng.choices(values, k=len(values))) for _ in range(_RESAMPLES))
    return Interval(100 * statistics.fmean(values), means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES) - 1])


def summary(bench: str, report: Report, generator: Generator) -> dict[str, Any]:
    """Return the machine line's keys; scores are in percent."""
    outcomes = report.outcomes()
    prompt_tokens, completion_tokens = report.mean_tokens()
    metrics = report.metrics()
    return {
        "bench": bench,
        "n": len(report.rows),
        **{name: round(interval.mean, 2) for name, interval in metrics.items()},
        "correct": outcomes[Outcome.CORRECT],
        "wrong": outcomes[Outcome.WRONG],
        "refused": outcomes[Outcome.REFUSED],
        "unparseable": outcomes[Outcome.UNPARSEABLE],
        "retried": report.retried,
        "confidence_95": {
            name: [round(interval.low, 2), round(interval.high, 2)] for name, interval in metrics.items()
        },
        "prompt_tokens_mean": round(prompt_tokens, 1),
        "completion_tokens_mean": round(completion_tokens, 1),
        "model_revision": generator.model_revision,
        "engine": generator.engine,
    }


def _is_readable(text: str) -> bool:
    try:
        resolve(parse_line(text), None)
    except UnparseableAnswerError:
        return False
    return True
