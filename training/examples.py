"""Curated rows as token ids, ready for packing."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import ConfigurationError
from common.prompts import Message, Role
from common.tokens import ChatTokenizer

TokenIds = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One training row: int32 token ids of the prompt and of the answer with its closing token, and its source."""

    prompt_ids: TokenIds
    answer_ids: TokenIds
    source: str = ""

    @property
    def tokens(self) -> int:
        """Return the row's length in tokens, prompt and answer."""
        return len(self.prompt_ids) + len(self.answer_ids)


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """Examples of one curated file, its SHA-256, and how many rows were too long to train on."""

    examples: list[Example]
    data_sha256: str
    rows_too_long: int


def read_examples(path: Path, tokenizer: ChatTokenizer, max_row_tokens: int) -> ExampleSet:
    """Tokenise a curated JSON-lines file (`messages`, `answer`); raises ConfigurationError with the faulty line."""
    if not path.is_file():
        raise ConfigurationError(f"There are no training rows at {path}. Run `python -m training.curate` first.")
    examples: list[Example] = []
    too_long = 0
    for number, line in _numbered_lines(path):
        example = _parse(line, number, path, tokenizer)
        if example.tokens > max_row_tokens:
            too_long += 1
            continue
        examples.append(example)
    if not examples:
        raise ConfigurationError(f"{path} holds no row of at most {max_row_tokens} tokens; {too_long} were longer.")
    return ExampleSet(examples, hashlib.sha256(path.read_bytes()).hexdigest(), too_long)


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield number, line


def _parse(line: str, number: int, path: Path, tokenizer: ChatTokenizer) -> Example:
    try:
        row: dict[str, Any] = json.loads(line)
        messages = [Message(Role(message["role"]), message["content"]) for message in row["messages"]]
        prompt_ids, answer_ids = tokenizer.encode_chat(messages), tokenizer.encode_answer(row["answer"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path.name} line {number} is not a training row: {error!r}") from error
    return Example(np.asarray(prompt_ids, np.int32), np.asarray(answer_ids, np.int32), row.get("source", ""))
