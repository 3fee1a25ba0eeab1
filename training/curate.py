"""Builds the training mix: `python -m training.curate --data-dir DATA --out DIR`.

Writes `train.jsonl` and `selection.jsonl` (one row: task, source, licence, uid, group, messages, answer) and
`card.json`; prints the data card. The evaluation sets are read only to keep their pages out.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as PrintedTable

from common.errors import ConfigurationError, FinanceLLMError
from common.tokens import ChatTokenizer
from training.mix import collect, derived, held_out, later, later_refusals
from training.splits import Split, extended, split
from training.tasks.base import Example
from training.tasks.tatqa_extra import is_misread

DATA_DIR_VARIABLE = "FINANCELLM_SHARED_DATA"
DEFAULT_SEED = 20261123
DEFAULT_SELECTION_SHARE = 0.07


def curate(
    data_dir: Path,
    *,
    tasks: frozenset[str],
    seed: int,
    selection_share: float,
    tokenizer: ChatTokenizer | None,
    max_tokens: int,
) -> tuple[Split, dict[str, Any]]:
    """Return the split and its data card; raises ConfigurationError for a missing or changed file."""
    rows, reported = collect(data_dir, tasks, seed), list(held_out(data_dir))
    parts = split(rows, reported, selection_share, seed)
    joined = extended(parts, later(data_dir, tasks), reported, selection_share, seed)
    parts.train.extend(list(derived(parts.train, tasks, seed)))
    parts = Split(
        [*parts.train, *joined.train, *later_refusals(joined.train, seed)],
        [*parts.selection, *joined.selection],
        parts.dropped + joined.dropped,
    )
    train, misread_train = _sound(parts.train)
    selection, misread_selection = _sound(parts.selection)
    parts.dropped["tatqa_extra: misread"] += misread_train + misread_selection
    train, long_train = _capped(train, tokenizer, max_tokens)
    selection, long_selection = _capped(selection, tokenizer, max_tokens)
    parts.dropped[f"longer than {max_tokens} tokens"] += long_train + long_selection
    capped = Split(train, selection, +parts.dropped)
    return capped, _card(capped, tokenizer, seed)


def row_of(example: Example) -> dict[str, Any]:
    """Return a training row as it is written."""
    return {
        "task": example.task,
        "source": example.source,
        "licence": example.licence,
        "uid": example.uid,
        "group": example.group,
        "messages": [asdict(message) for message in example.messages],
        "answer": example.answer,
    }


def _sound(rows: Sequence[Example]) -> tuple[list[Example], int]:
    kept = [row for row in rows if not is_misread(row)]
    return kept, len(rows) - len(kept)


def _capped(rows: Sequence[Example], tokenizer: ChatTokenizer | None, max_tokens: int) -> tuple[list[Example], int]:
    if tokenizer is None:
        return list(rows), 0
    kept = [row for row in rows if _tokens(row, tokenizer) <= max_tokens]
    return kept, len(rows) - len(kept)


def _tokens(row: Example, tokenizer: ChatTokenizer) -> int:
    return tokenizer.count_chat(row.messages) + len(tokenizer.encode_answer(row.answer or ""))


def _card(parts: Split, tokenizer: ChatTokenizer | None, seed: int) -> dict[str, Any]:
    by_source: dict[tuple[str, str, str], list[Example]] = defaultdict(list)
    for row in parts.train:
        by_source[row.task, row.source, row.licence].append(row)
    held = Counter((row.task, row.source, row.licence) for row in parts.selection)
    return {
        "seed": seed,
        "rows": len(parts.train),
        "selection_rows": len(parts.selection),
        "sources": [
            {
                "task": task,
                "source": source,
                "licence": licence,
                "rows": len(rows),
                "groups": len({row.group for row in rows}),
                "selection_rows": held[task, source, licence],
                "tokens": None if tokenizer is None else sum(_tokens(row, tokenizer) for row in rows),
                "answer_tokens": None
                if tokenizer is None
                else sum(len(tokenizer.encode_answer(row.answer or "")) for row in rows),
            }
            for (task, source, licence), rows in sorted(by_source.items())
        ],
        "dropped": dict(sorted(parts.dropped.items())),
    }


def _print_card(card: dict[str, Any], console: Console) -> None:
    columns = ("source", "task", "licence", "rows", "groups", "selection_rows", "tokens", "answer_tokens")
    table = PrintedTable(*columns, title="Data card")
    for source in card["sources"]:
        table.add_row(*("-" if source[column] is None else str(source[column]) for column in columns))
    console.print(table)
    for reason, count in card["dropped"].items():
        console.print(f"left out: {count} × {reason}")


def _write(path: Path, rows: Iterable[Example]) -> None:
    with path.open("w", encoding="utf-8") as lines:
        for row in rows:
            lines.write(json.dumps(row_of(row), ensure_ascii=False) + "\n")


def _folder(data_dir: Path | None) -> Path:
    if data_dir is not None:
        return data_dir
    named = os.environ.get(DATA_DIR_VARIABLE)
    if not named:
        raise ConfigurationError(f"Name the data folder with --data-dir or {DATA_DIR_VARIABLE}.")
    return Path(named)


def main(
    out: Annotated[Path, typer.Option(help="Folder for train.jsonl, selection.jsonl and card.json.")],
    data_dir: Annotated[Path | None, typer.Option(help=f"Data folder; default from {DATA_DIR_VARIABLE}.")] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="tokenizer.json, to count tokens and cap lengths.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only these tasks (repeat the option).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every draw.")] = DEFAULT_SEED,
    selection_share: Annotated[
        float, typer.Option(help="Share of contexts kept for choosing recipes.")
    ] = DEFAULT_SELECTION_SHARE,
    max_tokens: Annotated[int, typer.Option(help="Longer rows are left out and counted.")] = 1024,
) -> None:
    """Build the training mix."""
    console = Console()
    try:
        chat_tokenizer = None if tokenizer is None else ChatTokenizer.from_file(tokenizer)
        parts, card = curate(
            _folder(data_dir),
            tasks=frozenset(task or ()),
            seed=seed,
            selection_share=selection_share,
            tokenizer=chat_tokenizer,
            max_tokens=max_tokens,
        )
    except FinanceLLMError as error:
        console.print(error.message, style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    out.mkdir(parents=True, exist_ok=True)
    _write(out / "train.jsonl", parts.train)
    _write(out / "selection.jsonl", parts.selection)
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    _print_card(card, console)


if __name__ == "__main__":
    typer.run(main)
