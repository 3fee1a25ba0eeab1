"""More tweets for the sentiment task: rows of the train split of Twitter Financial News Sentiment (MIT)."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from common.errors import ConfigurationError
from common.prompts import LINK
from training.tasks.base import Example, text_hash
from training.tasks.sentiment import LICENCE, labelled

SOURCE = "tfns_train_split"
# `label` of the file, in its order.
LABELS = ("negative", "positive", "neutral")
# One hash a line: the rows that adapters here were trained on. The tweets themselves come from the file's origin.
LISTED_ROWS = Path(__file__).with_name("tweet_rows.txt")
# A news item is tweeted more than once, under other links and with other tickers before it.
NEAR_SHARE = 0.6
_WORD = re.compile(r"[a-z]+|\d[\d.,]*")


def listed_tweets(path: Path, rows_path: Path = LISTED_ROWS) -> Iterator[Example]:
    """Yield the listed rows of `sent_train.csv` (text, label 0 to 2); raises ConfigurationError for any other file.

    They are known by their own hashes, so any copy of the file does, whatever its line ends and links.
    """
    listed = set(rows_path.read_text("utf-8").split())
    found = [labelled(f"tweet-{name}", *row, LICENCE, SOURCE) for name, row in _rows(path) if name in listed]
    if not found:
        raise ConfigurationError(f"{path.name} has none of the rows listed in {rows_path.name}: it is another file.")
    return iter(found)


def row_hash(text: str, label: str) -> str:
    """Return a row's name: 16 hex digits over its label and its words without links."""
    return text_hash([label, LINK.sub("", text)])


def apart_from(tweets: Iterable[Example], held_out: Sequence[Example]) -> Iterator[Example]:
    """Yield the tweets that do not share most of their words with one that results are reported on."""
    known = [_words(example) for example in held_out]
    for tweet in tweets:
        words = _words(tweet)
        if not any(len(words & other) >= NEAR_SHARE * len(words | other) for other in known):
            yield tweet


def _rows(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each row's name, text and label."""
    with path.open(encoding="utf-8", newline="") as lines:
        try:
            for row in csv.DictReader(lines):
                text, label = row["text"], LABELS[int(row["label"])]
                yield row_hash(text, label), (text, label)
        except (KeyError, IndexError, TypeError, ValueError, csv.Error) as error:
            raise ConfigurationError(f"{path.name} has no columns `text` and `label` (0 to 2): {error!r}.") from error


def _words(example: Example) -> frozenset[str]:
    return frozenset(_WORD.findall(example.messages[-1].content.lower()))
