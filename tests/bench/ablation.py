"""`python -m tests.bench.ablation --data DATA --out FOLDER`: what each part of the training recipe buys.

Small adapters over the same TAT-QA rows, each trained from the base by `training.lora`, merged, packed and scored on
TAT-QA dev by the native engine. The order adds one thing at a time: the untuned base with whole pages, evidence
selection, the answer line with worked-out figures, programs instead of them, XBRL statement questions on top.
A variant whose score is in FOLDER already is not run again, so a stopped run goes on.
"""

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from common.answers import AnswerKind, parse_line, resolve, span_line
from common.evidence import BALANCED, WHOLE, Budget
from common.numbers import Scale, format_figure
from tests.bench.dev_scores import COLUMNS, DevScores, dev_questions, dev_scores
from tests.bench.report import print_line, print_table

Row = dict[str, Any]
RECIPE = Path(__file__).with_name("ablation.yaml")


def tatqa_rows(rows: Iterable[Row], count: int) -> list[Row]:
    """Return whole pages' TAT-QA rows, about `count`, drawn by page so that rows share prompts."""
    pages: dict[str, list[Row]] = {}
    for row in rows:
        if row["source"] == "tatqa":
            pages.setdefault(row["group"], []).append(row)
    drawn = random.Random(0).sample(sorted(pages), len(pages))
    found = [row for page in drawn for row in pages[page]]
    return found[:count]


def worked_out(row: Row) -> Row:
    """Return the row with a program's value as its answer, to two decimals, in place of the program."""
    line = parse_line(row["answer"])
    if line.kind is not AnswerKind.NUMBER:
        return row
    value = resolve(line, None).value
    if value is None:
        return row
    return {**row, "answer": str(span_line((format_figure(value, Scale.NONE),), line.scale))}


def variants(rows: list[Row], count: int) -> dict[str, list[Row]]:
    """Return the training rows of each trained variant."""
    base = tatqa_rows(rows, count)
    statements = [row for row in rows if row["source"].startswith("xbrl/")][:count]
    return {
        "+ answer line": [worked_out(row) for row in base],
        "+ programs": base,
        "+ XBRL questions": [*base, *statements],
    }


def trained(name: str, rows: list[Row], base: Path, out: Path) -> Path:
    """Train, merge and pack a variant; returns its folder."""
    folder = out / "".join(letter for letter in name if letter.isalnum())
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = folder / "run"
    _call("training.lora", "--recipe", RECIPE, "--data", data, "--model", base, "--out", run)
    _call("training.prepare", "--model-dir", folder / "model", "--adapter", run / "adapter")
    return folder / "model"


def _call(module: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True)


class Scores:
    """The finished variants, kept in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[str, Row] = json.loads(path.read_text("utf-8")) if path.is_file() else {}

    def once(self, name: str, measure: Callable[[], DevScores]) -> DevScores:
        """Return a variant's scores, measured now if they are not there."""
        if name not in self._found:
            self._found[name] = asdict(measure())
            self._path.write_text(json.dumps(self._found, indent=1), encoding="utf-8")
        return DevScores(**self._found[name])


def measure(options: argparse.Namespace) -> dict[str, DevScores]:
    """Run every variant that has no score yet."""
    options.out.mkdir(parents=True, exist_ok=True)
    scores = Scores(options.out / "scores.json")

    def score(folder: Path, budget: Budget = BALANCED) -> DevScores:
        return dev_scores(folder, dev_questions(options.data, options.questions, budget), budget)

    def trained_score(name: str, rows: list[Row]) -> DevScores:
        return score(trained(name, rows, base, options.out))

    base = options.out / "base"
    if not base.is_dir():
        _call("training.prepare", "--model-dir", base, "--adapter", "none")
    found = {
        "base, zero-shot, whole page": scores.once("base", lambda: score(base, WHOLE)),
        "+ evidence selection": scores.once("evidence", lambda: score(base)),
    }
    with options.rows.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for name, chosen in variants(rows, options.count).items():
        found[name] = scores.once(name, partial(trained_score, name, chosen))
    return found


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Folder with tatqa/dev.json.")
    parser.add_argument("--rows", type=Path, required=True, help="train.jsonl of training.curate.")
    parser.add_argument("--out", type=Path, required=True, help="Folder for adapters and finished scores.")
    parser.add_argument("--count", type=int, default=300, help="TAT-QA rows, and at most as many XBRL rows.")
    parser.add_argument("--questions", type=int, default=324)
    options = parser.parse_args()
    found = measure(options)
    rows = [(name, *score.cells()) for name, score in found.items()]
    print_table(f"TAT-QA dev, {options.questions} questions, {options.count} rows", ("variant", *COLUMNS), rows)
    scores = {name: asdict(score) for name, score in found.items()}
    print_line("ablation", count=options.count, questions=options.questions, variants=scores)


if __name__ == "__main__":
    main()
