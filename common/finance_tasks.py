"""What a question asks the model to do, and the one rule that decides it where the caller does not."""

import re
from enum import StrEnum

_ASKS_FOR_EXPLANATION = re.compile(
    r"^(?:why|how (?:is|are|does|do|did|was|were)|what (?:led|caused|drove|does|do|is the (?:reason|purpose))|explain"
    r"|describe|summari[sz]e|outline|comment on)\b",
    re.I,
)


class Task(StrEnum):
    """How a question is put to the model and how its answer is read."""

    TEXT = "text"
    FIGURES = "figures"
    SENTIMENT = "sentiment"


def asks_for_explanation(question: str) -> bool:
    """Tell whether a question wants sentences (why, how did, explain, summarise) and not a figure or a copied span."""
    return _ASKS_FOR_EXPLANATION.match(question.lstrip()) is not None


def choose_task(question: str, *, has_sources: bool, has_instructions: bool) -> Task:
    """Return the task of a question whose caller left it open.

    Figures need a source to read them from; a caller's own instructions leave no room for the figures' format.
    """
    if not has_sources or has_instructions or asks_for_explanation(question):
        return Task.TEXT
    return Task.FIGURES
