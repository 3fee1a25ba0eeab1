"""Answers read from what the model wrote, and what of them the sources hold."""

import pytest

from common.finance_answers import FinanceAnswer, ResultKind, Source, Verification
from common.finance_requests import finance_request, follow_up_request
from common.finance_tasks import Task
from common.jobs import GenerateRequest
from common.numbers import Scale
from worker.finance_answer import ReadAnswer, read

PAGE = """Consolidated income statement (in millions of pounds)
 | 2024 | 2023
Revenue | 412.6 | 388.1
Gross profit | 143.7 | 128.7
Inventories are valued at first-in, first-out. Revenue rose because volumes in the bearings segment recovered."""
SOURCES = (
    Source(document="letter.txt", text="The board thanks all employees."),
    Source(document="report.pdf", page=7, text=PAGE),
)


def request(task: Task = Task.FIGURES, question: str = "By how much did revenue grow?") -> GenerateRequest:
    return finance_request(question, SOURCES, task, 60)


def answered(line: str, task: Task = Task.FIGURES, question: str = "By how much?") -> tuple[str, FinanceAnswer]:
    found: ReadAnswer = read(request(task, question), line, retried=False)
    assert found.answer is not None
    return found.text, found.answer


def test_a_program_is_executed_and_its_operands_are_cited() -> None:
    """Given a program over printed figures, when read, then its result is verified and each operand has its quote."""
    text, answer = answered("=pct(412.6,388.1) | percent")
    assert text == "6.31%"
    assert (answer.kind, answer.verification) == (ResultKind.NUMBER, Verification.VERIFIED)
    assert (answer.value, answer.scale, answer.program) == ("24500/3881", "percent", "pct(412.6,388.1)")
    assert [operand.found for operand in answer.operands] == [True, True]
    quotes = [citation.quote for citation in answer.citations]
    assert quotes == ["Revenue | 412.6 | 388.1"]
    assert (answer.citations[0].document, answer.citations[0].page) == ("report.pdf", 7)
    number = answer.numbers[0]
    assert text[number.start : number.end] == number.text
    assert (number.finding, number.verified) == ("computed", True)
    assert answer.evidence is not None
    assert (answer.evidence.rows_kept, answer.evidence.rows_dropped) == (2, 0)


def test_a_figure_that_no_source_holds_is_unverified() -> None:
    """Given a program with a made-up operand, when read, then the number is marked and the reason names the operand."""
    _, answer = answered("=pct(412.6,377.7) | percent")
    assert answer.verification is Verification.UNVERIFIED
    assert [operand.found for operand in answer.operands] == [True, False]
    assert answer.numbers[0].reason is not None
    assert "377.7" in answer.numbers[0].reason


@pytest.mark.parametrize(
    ("line", "text", "verification"),
    [
        ("first-in, first-out | none", "first-in, first-out", Verification.VERIFIED),
        ("last-in, first-out | none", "last-in, first-out", Verification.UNVERIFIED),
        ("412.6 ## 388.1 | million", "412.6 million, 388.1 million", Verification.VERIFIED),
        ("412.6 ## 399.9 | million", "412.6 million, 399.9 million", Verification.PARTLY),
        ("412.6 | thousand", "412.6 thousand", Verification.UNVERIFIED),
        ("=412.6>388.1 | none", "yes", Verification.VERIFIED),
        ("=412.6>500.1 | none", "no", Verification.PARTLY),
        ("=5>3 | none", "yes", Verification.UNVERIFIED),
        ("=12 | million", "12 million", Verification.UNVERIFIED),
        ("=513.2-100.6 | million", "412.6 million", Verification.PARTLY),
        ("=412.6 | thousand", "412.6 thousand", Verification.UNVERIFIED),
        ("412.6m | none", "412.6m", Verification.VERIFIED),
        ("999.9m | none", "999.9m", Verification.UNVERIFIED),
        ("RMB999,999 million | none", "RMB999,999 million", Verification.UNVERIFIED),
        ("all | none", "all", Verification.VERIFIED),
        ("ring | none", "ring", Verification.UNVERIFIED),
        ("#Revenue ## Gross profit | none", "2", Verification.VERIFIED),
        ("#Revenue ## Net debt | none", "2", Verification.PARTLY),
    ],
)
def test_copied_words_truths_and_counts_are_checked(line: str, text: str, verification: Verification) -> None:
    got, answer = answered(line)
    assert (got, answer.verification) == (text, verification)


@pytest.mark.parametrize(
    ("line", "verification"),
    [
        ("=1.2>900 | none", Verification.UNVERIFIED),
        ("=1200>900 | none", Verification.VERIFIED),
        ("5M | none", Verification.UNVERIFIED),
        ("3M | none", Verification.VERIFIED),
    ],
)
def test_comparisons_and_names_of_running_text_are_checked(line: str, verification: Verification) -> None:
    """Given amounts in two scales and a name with a digit, when read, then scales are heeded and the name is quoted."""
    source = Source(document="d", text="Revenue of 3M was $1.2 billion in 2023 and $900 million in 2022.")
    answer = read(finance_request("Was it more?", [source], Task.FIGURES, 60), line, retried=False).answer
    assert answer is not None
    assert answer.verification is verification


@pytest.mark.parametrize(
    ("line", "value", "scale"),
    [
        ("$1.2 billion | none", "1.2", Scale.BILLION),
        ("3M | none", None, Scale.NONE),
        ("$1.2 billion ## $900 million | none", None, Scale.NONE),
    ],
)
def test_a_value_stands_in_its_own_scale(line: str, value: str | None, scale: Scale) -> None:
    """Given a copied figure with its word of scale, when read, then value and scale say the same amount as the page."""
    page = "Revenue of 3M was $1.2 billion in 2023 and $900 million in 2022."
    request = finance_request("What was it?", [Source(document="d", text=page)], Task.FIGURES, 60)
    answer = read(request, line, retried=False).answer
    assert answer is not None
    assert (answer.value, answer.scale, answer.verification) == (value, scale, Verification.VERIFIED)
    assert answer.line == line


def test_a_follow_up_about_one_share_takes_no_scale() -> None:
    """Given an earlier question about one share, when a follow-up's line has the table's scale, then it is left out."""
    page = "(in millions)\n | 2024 | 2023\nDiluted earnings per share | 10.18 | 9.90"
    turns = [("What was diluted EPS in 2024?", "10.18 | none")]
    found = read(follow_up_request("And in 2023?", turns, page, 60), "9.90 | million", retried=False)
    assert found.answer is not None
    assert (found.text, found.answer.scale, found.answer.verification) == ("9.90", Scale.NONE, Verification.VERIFIED)


def test_copied_words_are_quoted_from_their_page() -> None:
    _, answer = answered("first-in, first-out | none")
    assert [(citation.page, citation.quote) for citation in answer.citations] == [(7, "first-in, first-out")]


def test_a_copied_heading_verifies_nothing() -> None:
    """Given an answer that only announces figures, when checked, then its words are found and it is unverified."""
    context = "EARNINGS PER SHARE:\nBasic | 3.40"
    source = Source(document="acme.pdf", page=3, text=context)
    asked = finance_request("What were earnings per share?", [source], Task.FIGURES, 60)
    answer = read(asked, "EARNINGS PER SHARE: | none", retried=False).answer
    assert answer is not None
    assert answer.verification is Verification.UNVERIFIED
    assert [citation.quote for citation in answer.citations] == ["EARNINGS PER SHARE:"]


def test_a_refusal_is_no_answer_and_no_failure() -> None:
    text, answer = answered("not in the context")
    assert (answer.kind, answer.verification) == (ResultKind.NOT_FOUND, Verification.NO_NUMBERS)
    assert text == "The context does not hold the answer."
    assert answer.citations == ()


def test_a_line_that_cannot_be_read_is_shown_and_marked() -> None:
    """Given words in no format, when read, then they are the text, their numbers marked, and nothing is verified."""
    text, answer = answered(" It grew by 412.6 or so ")
    assert text == "It grew by 412.6 or so"
    assert (answer.kind, answer.verification) == (ResultKind.UNPARSEABLE, Verification.UNVERIFIED)
    assert answer.line == " It grew by 412.6 or so "
    assert answer.numbers[0].verified


def test_numbers_of_sentences_are_checked_and_copied_sentences_cited() -> None:
    """Given a text answer, when read, then true and false numbers are told apart and a copied sentence has its page."""
    line = "Revenue rose because volumes in the bearings segment recovered. It was 412.6 million, not 499.9 million."
    text, answer = answered(line, Task.TEXT, "Why did revenue rise?")
    assert text == line == answer.line
    assert (answer.kind, answer.verification) == (ResultKind.TEXT, Verification.PARTLY)
    assert [(number.text, number.verified) for number in answer.numbers] == [
        ("412.6 million", True),
        ("499.9 million", False),
    ]
    quotes = {citation.quote for citation in answer.citations}
    assert "Revenue rose because volumes in the bearings segment recovered." in quotes
    assert all(citation.quote in PAGE for citation in answer.citations)


def test_numbers_of_the_question_may_be_repeated() -> None:
    _, answer = answered("Of the 77 stores none is named.", Task.TEXT, "What of the 77 stores?")
    assert answer.numbers[0].finding == "given in the question"


def test_text_without_sources_has_nothing_to_check() -> None:
    plain = finance_request("What is EBITDA?", (), Task.TEXT, 20)
    assert read(plain, "Earnings before 4 things.", retried=False) == ReadAnswer("Earnings before 4 things.", None)


def test_a_sentiment_is_one_of_three_labels() -> None:
    text, answer = answered(" positive\n", Task.SENTIMENT)
    assert (text, answer.kind) == ("positive", ResultKind.LABEL)
    assert answered("rather good", Task.SENTIMENT)[1].kind is ResultKind.UNPARSEABLE


def test_a_long_line_is_quoted_by_the_sentence_around_the_figure() -> None:
    """Given prose in one long line, when its figure is cited, then the quote is its sentence."""
    prose = f"{'Words go on. ' * 30}Capital expenditure was $17.3 million. {'More words follow. ' * 30}"
    found = read(
        finance_request("How much?", (Source(document="d", text=prose),), Task.FIGURES, 20),
        "17.3 | million",
        retried=False,
    )
    assert found.answer is not None
    assert [citation.quote for citation in found.answer.citations] == ["Capital expenditure was $17.3 million."]
