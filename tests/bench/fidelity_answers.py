"""Exact match on TAT-QA dev for each form of the weights: the same prompts, scorer and greedy decoding."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.evidence import BALANCED
from common.tokens import ChatTokenizer
from tests.bench.engines_native import generator
from training.evaluation import evaluate
from training.generators import Generated, Generator, LocalGenerator, Prompt
from training.tasks.base import Example
from training.tasks.tatqa import TatqaTask
from worker.engine.native.engine import NativeEngine

ANSWER_TOKENS = 160


@dataclass(frozen=True, slots=True)
class Answered:
    """Exact match in percent by TAT-QA's official rules, and answer tokens a second."""

    exact_match: float
    tokens_per_second: float


class ModelGenerator(LocalGenerator):
    """Answers with a transformers model that is loaded already, whatever its weights were rounded to."""

    def __init__(self, model_dir: Path, model: Any) -> None:
        super().__init__(model_dir)
        self._model = model.train(False)


class NativeGenerator:
    """Answers with the native engine as it serves, all prompts queued at once."""

    engine = "native"
    model_revision = "as prepared"
    can_continue = True

    def __init__(self, model_dir: Path) -> None:
        self._tokenizer = ChatTokenizer.from_file(model_dir / "tokenizer.json")
        self._generate = generator(NativeEngine(model_dir))

    def generate(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Generated]:
        """Yield one output per prompt, in the prompts' order."""
        rows = [
            self._tokenizer.encode_chat(prompt.messages) + self._tokenizer.encode_answer(prompt.prefix)[:-1]
            for prompt in prompts
        ]
        stops = self._tokenizer.stop_token_ids
        for prompt, row, ids in zip(prompts, rows, self._generate(rows, max_tokens, tuple(stops)), strict=True):
            kept = [token for token in ids if token not in stops]
            yield Generated(prompt.prefix + self._tokenizer.decode(kept), len(row), len(ids))


def dev_questions(data: Path, count: int) -> list[Example]:
    """Return the first questions of TAT-QA dev."""
    return list(TatqaTask(BALANCED).examples(data / "tatqa" / "dev.json"))[:count]


def answered(answers: Generator, questions: Sequence[Example]) -> Answered:
    """Return how the questions were answered, their prompts included in the time."""
    start = time.perf_counter()
    found = evaluate(TatqaTask(BALANCED), questions, answers, ANSWER_TOKENS)
    tokens = sum(output.completion_tokens for output in found.outputs)
    return Answered(found.metrics()["em"].mean, tokens / (time.perf_counter() - start))
