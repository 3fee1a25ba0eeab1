"""Scores of a prepared model folder on TAT-QA dev at one level of evidence, by the native engine in this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.evidence import BALANCED, TIGHT, WHOLE, Budget
from tests.bench.fidelity_answers import ANSWER_TOKENS, NativeGenerator
from training.evaluation import Report, evaluate
from training.tasks.base import Example
from training.tasks.tatqa import TatqaTask

MODEL_DIR = Path(__file__).resolve().parents[2] / ".financellm" / "model"
LEVELS = {"whole": WHOLE, "balanced": BALANCED, "tight": TIGHT}
COLUMNS = ("EM", "95% interval", "F1", "scale", "unreadable", "prompt tokens")


@dataclass(frozen=True, slots=True)
class DevScores:
    """Percentages with EM's 95% bootstrap interval, and the mean prompt in tokens."""

    em: float
    em_low: float
    em_high: float
    f1: float
    scale: float
    unparseable: int
    prompt_tokens: float

    def cells(self) -> tuple[object, ...]:
        """Return the values for a table with COLUMNS."""
        interval = f"{self.em_low:.1f} to {self.em_high:.1f}"
        figures = (f"{value:.1f}" for value in (self.f1, self.scale))
        return (f"{self.em:.1f}", interval, *figures, str(self.unparseable), f"{self.prompt_tokens:.0f}")


def dev_questions(data: Path, count: int, budget: Budget = BALANCED) -> list[Example]:
    """Return the first questions of TAT-QA dev with their prompts at a budget."""
    return list(TatqaTask(budget).examples(data / "tatqa" / "dev.json"))[:count]


def dev_scores(model_dir: Path, questions: Sequence[Example], budget: Budget) -> DevScores:
    """Answer the questions with a prepared folder and score them by TAT-QA's rules."""
    return summarise(evaluate(TatqaTask(budget), questions, NativeGenerator(model_dir), ANSWER_TOKENS))


def summarise(report: Report) -> DevScores:
    """Return a TAT-QA report's scores."""
    metrics = report.metrics()
    em = metrics["em"]
    return DevScores(
        em=em.mean,
        em_low=em.low,
        em_high=em.high,
        f1=metrics["f1"].mean,
        scale=metrics["scale"].mean,
        unparseable=sum(row.outcome == "unparseable" for row in report.rows),
        prompt_tokens=report.mean_tokens()[0],
    )
