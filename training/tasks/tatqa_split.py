"""Questions of TAT-QA's official train split (CC BY 4.0), which is no part of the data folder's core."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.errors import ConfigurationError
from training.tasks.base import Example, text_hash
from training.tasks.tatqa import TatqaTask, group_of

SOURCE = "tatqa_train_split"
# One hash a line: the questions that were at hand for the adapters here. Their text comes from the file's origin.
LISTED_QUESTIONS = Path(__file__).with_name("tatqa_questions.txt")


def listed_questions(path: Path, questions_path: Path = LISTED_QUESTIONS) -> Iterator[Example]:
    """Yield the listed questions of `tatqa_dataset_train.json`; raises ConfigurationError for any other file.

    They are known by their own hashes, so any copy of the file does, whatever else it holds.
    """
    listed = set(questions_path.read_text("utf-8").split())
    try:
        found = [row for context in json.loads(path.read_text("utf-8")) for row in _listed(context, listed)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{path.name} is not in the form of TAT-QA's files: {error!r}.") from error
    if not found:
        raise ConfigurationError(f"{path.name} has no question listed in {questions_path.name}: it is another file.")
    return iter(found)


def question_hash(group: str, question: str) -> str:
    """Return a question's name: 16 hex digits over its page's cells and its words."""
    return text_hash([group, question])


def _listed(context: dict[str, Any], listed: set[str]) -> Iterator[Example]:
    group = group_of(context)
    names = {question["uid"]: question_hash(group, question["question"]) for question in context["questions"]}
    kept = [question for question in context["questions"] if names[question["uid"]] in listed]
    for example in TatqaTask().over(context | {"questions": kept}):
        yield replace(example, uid=f"tatqa-{names[example.uid]}", source=SOURCE)
