"""The sample bulk: questions over short excerpts in the style of annual reports, for companies that do not exist."""

from functools import lru_cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict


class SampleQuestion(BaseModel):
    """One line of questions.jsonl; `expected` is what a correct answer states."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    company: str
    question: str
    context: str
    expected: str
    max_tokens: int = 96


@lru_cache(maxsize=1)
def sample_questions() -> tuple[SampleQuestion, ...]:
    """Read the sample shipped with the package."""
    lines = files("api.samples").joinpath("questions.jsonl").read_text("utf-8").splitlines()
    return tuple(SampleQuestion.model_validate_json(line) for line in lines)
