"""Questions of TAT-QA's official train split (CC BY 4.0), which is no part of the data folder's core."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from common.errors import ConfigurationError
from training.tasks.base import Example, text_hash
from training.tasks.tatqa import TatqaTask

SOURCE = "tatqa_train_split"
# One hash a line: the questions that were at hand for the adapters here. Their text comes from the file's origin.
LISTED_QUESTIONS = Path(__file__).with_name("tatqa_questions.txt")


def listed_questions(path: Path, questions_path: Path = LISTED_QUESTIONS) -> Iterator[Example]:
    """Yield the listed questions of `tatqa_dataset_train.json`; raises ConfigurationError for any other file.

    They are known by their own hashes, so any copy of the file does, whatever else it holds.
    """
    listed = set(questions_path.read_text("utf-8").split())
    try:
        named = [(question_hash(example), example) for example in TatqaTask().examples(path)]
    except (KeyError, TypeError, ValueError, AttributeError, json.JSONDecodeError) as error:
        raise ConfigurationError(f"{path.name} is not in the form of TAT-QA's files: {error!r}.") from error
    found = [replace(example, uid=f"tatqa-{name}", source=SOURCE) for name, example in named if name in listed]
    if not found:
        raise ConfigurationError(f"{path.name} has no question listed in {questions_path.name}: it is another file.")
    return iter(found)


def question_hash(example: Example) -> str:
    """Return a question's name: 16 hex digits over its page's cells and its words."""
    return text_hash([example.group, example.gold["question"]])
