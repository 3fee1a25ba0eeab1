"""Rows of the tweets' own train split: which are taken, and which are too near to a tweet that is reported on."""

from pathlib import Path

import pytest

from common.errors import ConfigurationError
from training import sources
from training.mix import collect
from training.tasks.sentiment import SentimentTask, is_held_out, labelled
from training.tasks.tweet_split import apart_from, listed_tweets, row_hash


@pytest.fixture
def split_file(tmp_path: Path) -> Path:
    path = tmp_path / "sent_train.csv"
    rows = ('"$AB - Acme cut, outlook weak https://t.co/1a",0', "Acme raises its dividend,1", '"Acme hosts\n a call",2')
    path.write_text("text,label\r\n" + "\r\n".join(rows) + "\r\n", "utf-8")
    return path


def test_listed_rows_are_taken_with_their_labels_whatever_their_links_and_line_ends(
    split_file: Path, tmp_path: Path
) -> None:
    # Given a list with two of three rows, made from a copy without links and line breaks
    listed = tmp_path / "rows.txt"
    rows = (("$AB - Acme cut, outlook weak", "negative"), ("Acme hosts a call", "neutral"))
    listed.write_text("\n".join(row_hash(*row) for row in rows), "utf-8")
    # When the file is read, then these two are its rows
    found = [(row.messages[-1].content, row.answer) for row in listed_tweets(split_file, listed)]
    assert found == list(rows)


def test_a_row_with_another_label_is_another_row() -> None:
    assert row_hash("Acme cut", "negative") != row_hash("Acme cut", "neutral")


def test_a_file_without_any_listed_row_is_refused(split_file: Path, tmp_path: Path) -> None:
    listed = tmp_path / "rows.txt"
    listed.write_text(row_hash("Another tweet", "neutral"), "utf-8")
    with pytest.raises(ConfigurationError, match="none of the rows"):
        listed_tweets(split_file, listed)


@pytest.mark.parametrize("content", ["tweet,label\nAcme cut,0\n", "text,label\nAcme cut,7\n", "text,label\nAcme cut\n"])
def test_a_file_of_another_form_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sent_train.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError, match=r"sent_train\.csv has no columns `text` and `label`"):
        listed_tweets(path)


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("Acme cut to Market Perform at Raymond James", False),
        ("$AC - Acme cut to Market Perform at Raymond James", False),
        ("Acme raised to Outperform at Raymond James", True),
        ("Zenith started at buy with $8 stock price target", True),
    ],
)
def test_tweets_near_to_a_reported_one_are_left_out(text: str, *, stays: bool) -> None:
    reported = [labelled("r", "Acme cut to Market Perform at Raymond James https://t.co/x", "negative", "MIT", "tfns")]
    tweet = labelled("t", text, "negative", "MIT", "tfns_train_split")
    assert list(apart_from([tweet], reported)) == [tweet] * stays


def test_the_mix_goes_on_without_the_split(tmp_path: Path) -> None:
    """Given a data folder without the optional file, then there are no such rows and no error."""
    assert list(collect(tmp_path, frozenset({"tweets"}), seed=1)) == []


def test_reported_tweets_are_known_by_their_words(shared_data: Path) -> None:
    """Given the tweets that are reported on, when all tweets at hand are parted, then none of those stays."""
    tweets = list(SentimentTask().examples(sources.TFNS.locate(shared_data)))
    reported = list(filter(is_held_out, tweets))
    kept = {tweet.uid for tweet in apart_from(tweets, reported)}
    assert len(kept) > 1_000
    assert not kept & {tweet.uid for tweet in reported}
