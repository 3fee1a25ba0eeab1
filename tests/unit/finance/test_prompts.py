"""Prompts are written once; serving the parts gives the very messages that were trained."""

from common.prompts import (
    FIGURES_SYSTEM,
    Role,
    conversation_messages,
    figures_messages,
    question_messages,
    sentiment_messages,
)


def test_figures_prompt_equals_the_served_form() -> None:
    assert figures_messages("What was revenue?", "Revenue: 5") == question_messages(
        "What was revenue?", "Revenue: 5", FIGURES_SYSTEM
    )


def test_a_conversation_holds_its_evidence_once() -> None:
    messages = conversation_messages([("a?", "1 | none"), ("b?", "2 | none")], "c?", "PAGE")
    assert [message.role for message in messages] == [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
    ]
    assert sum("PAGE" in message.content for message in messages) == 1
    assert messages[-1].content == "Question: c?"


def test_links_are_cut_out_of_news() -> None:
    assert sentiment_messages("Profit up https://t.co/x $AB")[1].content == "Profit up $AB"
