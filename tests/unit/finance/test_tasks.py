"""Which task a question becomes where nobody says, and what each task asks of the model."""

import pytest

from common.evidence import TIGHT
from common.finance_answers import Source
from common.finance_requests import context_request, document_of, finance_request, instructed_request
from common.finance_tasks import Task, asks_for_explanation, choose_task
from common.jobs import GenerateRequest
from common.prompts import figures_messages, question_messages, sentiment_messages

TABLE = "(in millions) | 2024 | 2023\nRevenue | $412.6 | $388.1"


@pytest.mark.parametrize(
    ("question", "explains"),
    [
        ("Why did revenue fall?", True),
        ("  why did revenue fall?", True),
        ("How did cash change?", True),
        ("Explain the growth strategy.", True),
        ("Describe how margins developed.", True),
        ("Summarise the risk factors.", True),
        ("summarize the outlook", True),
        ("What led to the decline?", True),
        ("How much did revenue grow?", False),
        ("How many segments are there?", False),
        ("By how much did revenue grow?", False),
        ("What was revenue?", False),
        ("Which year was best, and why?", False),
        ("Whyte & Co: revenue?", False),
    ],
)
def test_only_questions_for_reasons_and_accounts_ask_for_sentences(question: str, explains: bool) -> None:
    assert asks_for_explanation(question) is explains


@pytest.mark.parametrize(
    ("question", "has_sources", "has_instructions", "task"),
    [
        ("What was revenue?", True, False, Task.FIGURES),
        ("Why did it fall?", True, False, Task.TEXT),
        ("What was revenue?", False, False, Task.TEXT),
        ("What was revenue?", True, True, Task.TEXT),
    ],
)
def test_figures_need_a_source_and_the_built_in_instructions(
    question: str, has_sources: bool, has_instructions: bool, task: Task
) -> None:
    assert choose_task(question, has_sources=has_sources, has_instructions=has_instructions) is task


def test_figures_get_compact_evidence_and_keep_their_source() -> None:
    """Given a table, when figures are asked for, then the trained prompt is sent and the printed table can be cited."""
    request = context_request("What was revenue?", TABLE, Task.FIGURES, 30)
    assert request.messages == figures_messages(
        "What was revenue?", "Amounts in million\n(in millions)\nRevenue: 2024=412.6; 2023=388.1"
    )
    assert request.sources == (Source(document="context", text=TABLE),)
    assert (request.task, request.question, request.max_tokens) == (Task.FIGURES, "What was revenue?", 30)


def test_text_keeps_all_of_a_context_however_long() -> None:
    long = "\n".join(f"Item {number} was sold for {number} dollars in the year." for number in range(400))
    text = context_request("Summarise it.", long, Task.TEXT, 30)
    figures = context_request("What was item 7 sold for?", long, Task.FIGURES, 30)
    assert text.evidence is not None
    assert figures.evidence is not None
    assert (text.evidence.sentences_kept, text.evidence.sentences_dropped) == (400, 0)
    assert figures.evidence.sentences_kept + figures.evidence.sentences_dropped == 400
    assert figures.evidence.sentences_dropped > 300
    assert "Item 7 was sold" in figures.messages[-1].content


def test_own_instructions_get_the_context_word_for_word() -> None:
    request = instructed_request("Q?", TABLE, "Be brief.", 30)
    assert request.messages == question_messages("Q?", TABLE, "Be brief.")
    assert (request.task, request.evidence) == (Task.TEXT, None)
    assert request.sources[0].text == TABLE


def test_pages_of_several_documents_become_one_evidence_in_their_order() -> None:
    sources = (
        Source(document="a.pdf", page=3, text=TABLE),
        Source(document="b.pdf", page=9, text="Net debt fell to 61.2.\n | 2024\nNet debt | 61.2\nCash | 4.0"),
    )
    document = document_of(sources)
    assert [table.rows[0].label for table in document.tables] == ["Revenue", "Net debt"]
    request = finance_request("What was net debt?", sources, Task.FIGURES, 30, TIGHT)
    content = request.messages[-1].content
    assert content.index("412.6") < content.index("Net debt:") < content.index("Net debt fell")
    assert request.sources == sources


def test_a_sentiment_is_that_of_the_text_or_else_of_the_question() -> None:
    assert context_request("?", "Profit up", Task.SENTIMENT, 5).messages == sentiment_messages("Profit up")
    assert context_request("Profit up", None, Task.SENTIMENT, 5).messages == sentiment_messages("Profit up")


def test_requests_stored_before_tasks_were_known_are_plain_text() -> None:
    stored = '{"messages":[{"role":"user","content":"x"}],"max_tokens":3}'
    request = GenerateRequest.model_validate_json(stored)
    assert (request.task, request.question, request.sources, request.evidence) == (Task.TEXT, None, (), None)
