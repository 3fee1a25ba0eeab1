"""Scores a model: `python -m training.evaluate --data FILE --format tatqa [--url URL | --model-dir DIR]`.

Prints a table for people and one JSON object as the last line. `--predictions` writes {uid: [answer, scale]} in
TAT-QA's official form (for other formats {uid: prediction}).
"""

import json
import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as PrintedTable

from common.errors import ConfigurationError, FinanceLLMError
from common.evidence import BALANCED, TIGHT, WHOLE
from training.evaluation import Report, evaluate, summary
from training.generators import Generator, LocalGenerator, ServedGenerator
from training.tasks.base import Example, Task
from training.tasks.convfinqa import ConvFinqaTask
from training.tasks.finqa import FinqaTask, is_reported
from training.tasks.refusals import RefusalTask
from training.tasks.sentiment import SentimentTask, is_held_out, label_f1, weighted_f1
from training.tasks.tatqa import TatqaTask

API_KEY_VARIABLE = "FINANCELLM_API_KEY"
API_URL_VARIABLE = "FINANCELLM_API_URL"
_REFUSAL_ROWS = 120


class Format(StrEnum):
    """The data file's form, which also names the task."""

    TATQA = "tatqa"
    FINQA = "finqa"
    CONVFINQA = "convfinqa"
    SENTIMENT = "sentiment"
    REFUSAL = "refusal"


class Level(StrEnum):
    """How much evidence the prompt keeps."""

    WHOLE = "whole"
    BALANCED = "balanced"
    TIGHT = "tight"


# Files whose other rows are trained on.
_REPORTED: dict[Format, Callable[[Example], bool]] = {
    Format.FINQA: is_reported,
    Format.CONVFINQA: is_reported,
    Format.SENTIMENT: is_held_out,
}
_BUDGETS = {Level.WHOLE: WHOLE, Level.BALANCED: BALANCED, Level.TIGHT: TIGHT}


def load(form: Format, path: Path, level: Level) -> tuple[Task, list[Example]]:
    """Return the task and its rows; for refusals they are made from a TAT-QA file."""
    if not path.is_file():
        raise ConfigurationError(f"There is no data file {path}.")
    match form:
        case Format.TATQA:
            tatqa = TatqaTask(_BUDGETS[level])
            return tatqa, list(tatqa.examples(path))
        case Format.FINQA:
            return FinqaTask(), list(FinqaTask().examples(path))
        case Format.CONVFINQA:
            return ConvFinqaTask(), list(ConvFinqaTask().examples(path))
        case Format.SENTIMENT:
            return SentimentTask(), list(SentimentTask().examples(path))
        case Format.REFUSAL:
            return RefusalTask(), list(RefusalTask().over(list(TatqaTask().examples(path)), _REFUSAL_ROWS, seed=0))


def chosen(form: Format, examples: list[Example], rows_file: Path | None, limit: int | None) -> list[Example]:
    """Return the rows of a curated file, or else those that results are reported on."""
    if rows_file is not None:
        with rows_file.open(encoding="utf-8") as lines:
            wanted = {json.loads(line)["uid"] for line in lines}
        examples = [example for example in examples if example.uid in wanted]
    elif form in _REPORTED:
        examples = list(filter(_REPORTED[form], examples))
    if not examples:
        raise ConfigurationError("No rows are left to evaluate.")
    return examples[:limit]


def _sentiment_scores(report: Report) -> dict[str, float]:
    gold = [row.bucket for row in report.rows]
    predicted = [row.prediction for row in report.rows]
    scores = {f"f1_{label}": round(100 * label_f1(gold, predicted, label), 2) for label in sorted(set(gold))}
    return {"weighted_f1": round(100 * weighted_f1(gold, predicted), 2), **scores}


def _print(report: Report, form: Format, console: Console) -> None:
    metrics = report.metrics()
    table = PrintedTable("metric", "mean", "95% interval", title=f"{form}: {len(report.rows)} rows")
    for name, interval in metrics.items():
        table.add_row(name, f"{interval.mean:.2f}", f"{interval.low:.2f} to {interval.high:.2f}")
    console.print(table)
    main_metric = next(iter(metrics))
    kinds = PrintedTable("kind", "rows", main_metric)
    for name, (rows, mean) in report.buckets(main_metric).items():
        kinds.add_row(name, str(rows), f"{mean:.1f}")
    console.print(kinds)
    console.print(", ".join(f"{outcome}: {count}" for outcome, count in sorted(report.outcomes().items())))


def _generator(url: str | None, model_dir: Path | None, adapter: Path | None, batch_rows: int) -> Generator:
    if model_dir is not None:
        return LocalGenerator(model_dir, adapter, batch_rows)
    address = url or os.environ.get(API_URL_VARIABLE, "http://127.0.0.1:8000")
    return ServedGenerator(address, os.environ.get(API_KEY_VARIABLE))


def _errors(report: Report, examples: list[Example]) -> list[dict[str, Any]]:
    return [
        {
            "uid": row.uid,
            "kind": row.bucket,
            "outcome": row.outcome,
            "metrics": row.metrics,
            "prompt": example.messages[-1].content,
            "gold": example.gold,
            "target": example.answer,
            "output": output.text,
        }
        for row, example, output in zip(report.rows, examples, report.outputs, strict=True)
    ]


def main(
    data: Annotated[Path, typer.Option(help="The data file.")],
    format: Annotated[Format, typer.Option(help="Its form.")],  # noqa: A002 - the option's documented name
    url: Annotated[str | None, typer.Option(help=f"Served API; default from {API_URL_VARIABLE}.")] = None,
    model_dir: Annotated[
        Path | None, typer.Option(help="Score this model folder here instead of a served one.")
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="With --model-dir: a LoRA adapter to merge in first.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Write predictions in the official form.")] = None,
    rows_file: Annotated[Path | None, typer.Option("--rows", help="Only the uids of this curated file.")] = None,
    outputs: Annotated[Path | None, typer.Option(help="Write every row with its raw output, as JSON lines.")] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first rows.")] = None,
    evidence: Annotated[
        Level, typer.Option(help="With --model-dir: how much of the context the prompt keeps (tatqa).")
    ] = Level.BALANCED,
    max_tokens: Annotated[int, typer.Option(help="Most tokens an answer may take.")] = 160,
    batch_rows: Annotated[int, typer.Option(help="With --model-dir: rows decoded together.")] = 8,
) -> None:
    """Evaluate a model on one data file."""
    console = Console()
    try:
        if model_dir is None and evidence is not Level.BALANCED:
            raise ConfigurationError(
                f"A service selects evidence by itself, at the level balanced; {evidence} needs --model-dir."
            )
        task, examples = load(format, data, evidence)
        examples = chosen(format, examples, rows_file, limit)
        generator = _generator(url, model_dir, adapter, batch_rows)
        with Progress(console=console, transient=True) as progress:
            bar = progress.add_task("answers", total=len(examples))
            report = evaluate(task, examples, generator, max_tokens, lambda: progress.advance(bar))
    except FinanceLLMError as error:
        console.print(f"{error.code}: {error.message}", markup=False)
        raise typer.Exit(2) from error
    _print(report, format, console)
    if predictions is not None:
        found = {row.uid: row.prediction for row in report.rows}
        predictions.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if outputs is not None:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in _errors(report, examples))
        outputs.write_text("".join(lines), encoding="utf-8")
    line = summary(str(format), report, generator)
    if format is Format.SENTIMENT:
        line |= _sentiment_scores(report)
    # Plain print: rich would wrap the machine line.
    print(json.dumps(line))


if __name__ == "__main__":
    typer.run(main)
