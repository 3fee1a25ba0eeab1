"""`python -m tests.bench.confidence --data DATA`: how often answers of each confidence are right.

Over TAT-QA dev and the reported pages of FinQA dev, none of which was trained on. Confidence is what answers carry: the
probability that the model gave to its whole line. The native engine answers as it serves, without second tries.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from common.tokens import ChatTokenizer
from tests.bench.dev_scores import MODEL_DIR
from tests.bench.fidelity_answers import ANSWER_TOKENS
from tests.bench.report import print_line, print_table
from training.evaluate import Format, Level, chosen, load
from training.tasks.base import Example, Task
from worker.engine.base import EngineRequest
from worker.engine.native.engine import NativeEngine

BOUNDS = (0.0, 0.5, 0.8, 0.95, 1.01)
SETS = {
    Format.TATQA: (Path("tatqa/dev.json"), "em"),
    Format.FINQA: (Path("finqa/dev_retrieved_context.jsonl"), "execution_accuracy"),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer: its confidence, 0 to 1, and whether it is right."""

    confidence: float
    right: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of one range of confidence; shares from 0 to 1, `kept` of all answers that are at least so sure."""

    at_least: float
    answers: int
    mean_confidence: float
    right: float
    kept: float
    right_of_kept: float


def answer_all(model_dir: Path, questions: Sequence[Example]) -> list[tuple[str, float]]:
    """Return each question's line and its probability."""
    tokenizer = ChatTokenizer.from_file(model_dir / "tokenizer.json")
    engine = NativeEngine(model_dir)
    stops = frozenset(tokenizer.stop_token_ids)
    rows = [
        engine.add(
            EngineRequest(
                tuple(tokenizer.encode_chat(question.messages)), ANSWER_TOKENS, stop_token_ids=stops, logprobs=True
            )
        )
        for question in questions
    ]
    tokens: dict[int, list[int]] = {row: [] for row in rows}
    logprobs = dict.fromkeys(rows, 0.0)
    while engine.has_work():
        for event in engine.step():
            if event.error is not None or event.token_id is None or event.logprob is None:
                raise event.error or RuntimeError("the engine told no log probability")
            logprobs[event.row] += event.logprob
            if event.token_id not in stops:
                tokens[event.row].append(event.token_id)
    engine.close()
    return [(tokenizer.decode(tokens[row]), math.exp(min(0.0, logprobs[row]))) for row in rows]


def scored(task: Task, metric: str, questions: Sequence[Example], answers: Sequence[tuple[str, float]]) -> list[Scored]:
    """Return confidence and rightness of each answer by the set's own rules."""
    return [
        Scored(confidence, task.score(question, line).metrics[metric] == 1.0)
        for question, (line, confidence) in zip(questions, answers, strict=True)
    ]


def bins(answers: Sequence[Scored]) -> list[Bin]:
    """Return the answers by range of confidence, surest first."""
    found = []
    for low, high in reversed(list(pairwise(BOUNDS))):
        inside = [answer for answer in answers if low <= answer.confidence < high]
        kept = [answer for answer in answers if answer.confidence >= low]
        if inside:
            sure = _mean([answer.confidence for answer in inside])
            found.append(Bin(low, len(inside), sure, _right(inside), len(kept) / len(answers), _right(kept)))
    return found


def ranking(answers: Sequence[Scored]) -> float:
    """Return how likely a right answer is surer than a wrong one (area under the ROC curve); ties count half."""
    right = [answer.confidence for answer in answers if answer.right]
    wrong = [answer.confidence for answer in answers if not answer.right]
    pairs = [(a > b) + 0.5 * (a == b) for a in right for b in wrong]
    return _mean(pairs)


def _right(answers: Sequence[Scored]) -> float:
    return _mean([float(answer.right) for answer in answers])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / max(1, len(values))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.confidence", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tatqa and finqa")
    parser.add_argument("--model-dir", type=Path, default=MODEL_DIR)
    parser.add_argument("--questions", type=int, default=324, help="of each set")
    options = parser.parse_args()
    sets = {}
    for name, (path, metric) in SETS.items():
        task, rows = load(name, options.data / path, Level.BALANCED)
        questions = chosen(name, rows, None, options.questions)
        answers = scored(task, metric, questions, answer_all(options.model_dir, questions))
        found = bins(answers)
        print_table(
            f"{name}, {len(answers)} answers, {_right(answers):.1%} right; ranking {ranking(answers):.3f}",
            ("confidence from", "answers", "mean confidence", "right", "share at least so sure", "right of those"),
            [tuple(asdict(one).values()) for one in found],
        )
        sets[name] = {
            "answers": len(answers), "right": _right(answers), "ranking": ranking(answers),
            "bins": [asdict(one) for one in found],
        }  # fmt: skip
    print_line("confidence", sets=sets)


if __name__ == "__main__":
    main()
