"""Financial signal: the sentiment of a news tweet for its company (Twitter Financial News Sentiment, MIT)."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.answers import SENTIMENT_LABELS
from common.prompts import LINK, sentiment_messages
from training.tasks.base import Example, Outcome, RowScore, drawn, text_hash

LICENCE = "MIT"
HELD_OUT_SHARE = 0.25


class SentimentTask:
    """`tfns_train.jsonl`: id, text, label. Rows of the fixed held-out quarter are for reporting only."""

    name = "sentiment"

    def examples(self, path: Path) -> Iterator[Example]:
        """Yield every row; two tweets that differ in their link, case or ticker only belong to one group."""
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield labelled(row["id"], row["text"], row["label"], LICENCE, "tfns")

    def score(self, example: Example, output: str) -> RowScore:
        """Score one label; anything but the three labels is unparseable."""
        label, gold = output.strip(), example.gold["label"]
        if label not in SENTIMENT_LABELS:
            return RowScore(example.uid, Outcome.UNPARSEABLE, {"accuracy": 0.0}, gold, None)
        right = label == gold
        return RowScore(
            example.uid, Outcome.CORRECT if right else Outcome.WRONG, {"accuracy": float(right)}, gold, label
        )


def labelled(uid: str, text: str, label: str, licence: str, source: str) -> Example:
    """Return a text with its label as an example; its group is that of its words."""
    return Example(
        task=SentimentTask.name,
        uid=uid,
        messages=sentiment_messages(text),
        answer=label,
        gold={"label": label},
        group=group_of(text),
        licence=licence,
        source=source,
    )


def group_of(text: str) -> str:
    """Return a name that is the same for tweets with the same words."""
    return text_hash([" ".join(re.findall(r"[a-z]+", LINK.sub("", text).lower()))])


def is_held_out(example: Example) -> bool:
    """Return whether a row belongs to the quarter that is only reported on; fixed by its words, not by a seed."""
    return drawn(f"tfns-held-out:{example.group}") < HELD_OUT_SHARE


def weighted_f1(gold: Sequence[str], predicted: Sequence[str | None]) -> float:
    """Return F1 per label weighted by how often the label occurs (scikit-learn's `average="weighted"`)."""
    return sum(gold.count(label) * label_f1(gold, predicted, label) for label in sorted(set(gold))) / max(1, len(gold))


def label_f1(gold: Sequence[str], predicted: Sequence[str | None], label: str) -> float:
    """Return the F1 of one label; 0 where it was neither there nor predicted."""
    hits = sum(a == b == label for a, b in zip(gold, predicted, strict=True))
    total = sum(a == label for a in gold) + sum(b == label for b in predicted)
    return 2 * hits / total if total else 0.0
