"""The only place where prompts are written, so that training and serving can never disagree."""

from dataclasses import dataclass
from enum import StrEnum

ANALYST_SYSTEM = (
    "You are FinanceLLM, an assistant that answers questions about company disclosures and annual reports. "
    "Use only the given context, copy figures exactly, and say so when the context does not hold the answer."
)


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
    user = question if context is None else f"{context}\n\nQuestion: {question}"
    return (
        Message(Role.SYSTEM, ANALYST_SYSTEM if system is None else system),
        Message(Role.USER, user),
    )
