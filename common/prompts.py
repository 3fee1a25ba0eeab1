"""The only place where prompts are written, so that training and serving can never disagree."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ANALYST_SYSTEM = (
    "You are FinanceLLM, an assistant that answers questions about company disclosures and annual reports. "
    "Use only the given context, copy figures exactly, and say so when the context does not hold the answer."
)
# The tuned model was trained with exactly these words; the answer's grammar is in common/answers.py.
FIGURES_SYSTEM = (
    'Answer from the report in one line: "=program | scale", "span ## span | scale", "#item ## item | none" to count, '
    'or "not in the context".'
)
SENTIMENT_SYSTEM = "Give the sentiment of the financial news for its company: positive, negative or neutral."
FOLLOW_UP_MARK = "Question: "
QUESTION_MARK = f"\n\n{FOLLOW_UP_MARK}"
LINK = re.compile(r"https?://\S+")


class Role(StrEnum):
    """Who speaks a chat message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn; `content` is data and never holds chat control tokens with meaning."""

    role: Role
    content: str


def question_messages(question: str, context: str | None, system: str | None) -> tuple[Message, ...]:
    """Return the chat messages of one finance question over an optional context."""
    user = question if context is None else f"{context}{QUESTION_MARK}{question}"
    return (
        Message(Role.SYSTEM, ANALYST_SYSTEM if system is None else system),
        Message(Role.USER, user),
    )


def chat_messages(turns: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages of a free conversation, the built-in instructions in front where it brings none."""
    if any(turn.role is Role.SYSTEM for turn in turns):
        return tuple(turns)
    return Message(Role.SYSTEM, ANALYST_SYSTEM), *turns


def figures_messages(question: str, evidence: str) -> tuple[Message, ...]:
    """Return the messages of a question answered by one checked line (see common/answers.py) over selected evidence."""
    return question_messages(question, evidence, FIGURES_SYSTEM)


def conversation_messages(earlier: Sequence[tuple[str, str]], question: str, evidence: str) -> tuple[Message, ...]:
    """Return the messages of a follow-up question after (question, answer line) pairs; evidence comes first."""
    questions = [*(asked for asked, _ in earlier), question]
    system, first = figures_messages(questions[0], evidence)
    messages = [system, first]
    for (_, line), following in zip(earlier, questions[1:], strict=True):
        messages += [Message(Role.ASSISTANT, line), Message(Role.USER, f"{FOLLOW_UP_MARK}{following}")]
    return tuple(messages)


def sentiment_messages(text: str) -> tuple[Message, ...]:
    """Return the messages that ask for one label of a piece of financial news; its links are left out."""
    return Message(Role.SYSTEM, SENTIMENT_SYSTEM), Message(Role.USER, " ".join(LINK.sub("", text).split()))
