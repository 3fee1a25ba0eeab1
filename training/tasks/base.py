"""What every finance task offers: examples for the mix and for evaluation, and a scorer for the model's raw output."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from common.evidence import Document
from common.prompts import Message


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its messages.

    `answer` is the training target (None where no verified one exists; such rows are only evaluated); `gold` is what
    the scorer compares with; `group` names the page or context, so that splits never cut through one. `context` is the
    page as users send it, where it is more than the evidence in the messages.
    """

    task: str
    uid: str
    messages: tuple[Message, ...]
    answer: str | None
    gold: dict[str, Any]
    group: str
    licence: str
    source: str
    document: Document | None = field(default=None, repr=False, compare=False)
    context: str | None = field(default=None, repr=False, compare=False)


class Outcome(StrEnum):
    """How one output fared; refused and unparseable are counted apart from wrong."""

    CORRECT = "correct"
    WRONG = "wrong"
    REFUSED = "refused"
    UNPARSEABLE = "unparseable"


@dataclass(frozen=True, slots=True)
class RowScore:
    """One row's outcome and its metrics (0 to 1 each); `bucket` groups rows in error tables."""

    uid: str
    outcome: Outcome
    metrics: dict[str, float]
    bucket: str
    prediction: Any = None


class Task(Protocol):
    """A finance task: whatever makes its rows, this scores them."""

    name: str

    def score(self, example: Example, output: str) -> RowScore:
        """Score one raw model output."""
        ...


class FileTask(Task, Protocol):
    """A task whose rows stand in one data file; the others are made `over` answered rows or tables."""

    def examples(self, path: Path) -> Iterator[Example]:
        """Yield the rows of one data file, in its order."""
        ...


def text_hash(parts: Sequence[str]) -> str:
    """Return a short hash of texts, blind to case and white space, for duplicate and leakage checks."""
    normal = "\x1f".join(" ".join(part.lower().split()) for part in parts)
    return hashlib.sha256(normal.encode()).hexdigest()[:16]


def drawn(name: str) -> float:
    """Return a number in [0, 1) that hangs on the name alone, to part rows without a seed's help."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
