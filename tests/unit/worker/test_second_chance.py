"""Next-best pages are asked where those before give no verified answer, over an engine that writes what it is told."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from common import operations
from common.finance_answers import FinanceAnswer, ResultKind, Source, Verification
from common.finance_requests import finance_request
from common.finance_tasks import Task
from common.jobs import GenerateRequest, Job, Lane, NextPrompt, new_job_id
from common.store import JobStore
from common.submissions import NewJob
from tests.support.scripted_engine import ScriptedEngine
from tests.unit.worker.test_finance_jobs import CALLER, Bench

QUESTION = "By how much did revenue grow?"
TEXTS = (
    "Cost of sales was $50.0 million in 2023.",
    "Revenue was $120.5 million in 2023 and $100.0 million in 2022.",
    "Dividends were $3.0 million in 2023.",
)
NOT_FOUND = "not in the context"
GROWTH = "=pct(120.5,100.0) | percent"
GUESS = "=pct(77,66) | percent"


def asked(*texts: str) -> GenerateRequest:
    """A question over the first text, the others to go on with; pages count from one."""
    first, *further = (
        finance_request(QUESTION, [Source(document="acme.pdf", page=number, text=text)], Task.FIGURES, 60)
        for number, text in enumerate(texts, start=1)
    )
    more = (NextPrompt(messages=one.messages, sources=one.sources, evidence=one.evidence) for one in further)
    return first.model_copy(update={"more": tuple(more)})


def over(text: str) -> str:
    """The end of the prompt over a text."""
    return f"{text}\n\nQuestion: {QUESTION}"


@contextmanager
def working(store: JobStore, script: Mapping[str, str], logprobs: Mapping[str, float] | None = None) -> Iterator[Bench]:
    """A worker whose engine answers by the script."""
    bench = Bench(store, ScriptedEngine(script, logprobs=logprobs))
    try:
        yield bench
    finally:
        bench.loop.close()


def answered(bench: Bench, request: GenerateRequest) -> tuple[Job, FinanceAnswer]:
    """Run one job to its end."""
    new = NewJob(
        id=new_job_id(), lane=Lane.INTERACTIVE, caller=CALLER, flow=CALLER, request=request, prompt_tokens=90
    )  # fmt: skip
    bench.store.run(operations.submit(new, 1_000_000, 3600))
    bench.run()
    job = bench.job(new.id)
    assert job.result is not None, job
    assert job.result.answer is not None
    return job, job.result.answer


@pytest.mark.parametrize("first", [NOT_FOUND, GUESS, "no line at all"])
def test_the_first_verified_answer_ends_the_search(memory_store: JobStore, first: str) -> None:
    """Given no verified answer over the best page, when the next gives one, then it stands and no other is asked."""
    script = {over(TEXTS[0]): first, "|": "", over(TEXTS[1]): GROWTH}
    with working(memory_store, script) as bench:
        job, answer = answered(bench, asked(*TEXTS))
        prompts = [bytes(request.prompt_token_ids).decode() for request in bench.engine.requests]
    assert job.result is not None
    assert (job.result.text, answer.verification) == ("20.5%", Verification.VERIFIED)
    assert not any(TEXTS[2] in prompt for prompt in prompts)
    assert [[page.page for page in prompt.pages] for prompt in answer.prompts] == [[1], [2]]
    assert [prompt.stands for prompt in answer.prompts] == [False, True]
    assert [citation.page for citation in answer.citations] == [2]
    assert job.result.timings.prompt_tokens == sum(len(request.prompt_token_ids) for request in bench.engine.requests)
    assert bench.log_text(job.id).endswith(f"\n{GROWTH}")


def test_a_verified_answer_is_not_asked_for_again(memory_store: JobStore) -> None:
    """Given a verified answer over the best page, then no other page is asked."""
    with working(memory_store, {over(TEXTS[1]): GROWTH}) as bench:
        _, answer = answered(bench, asked(TEXTS[1], TEXTS[0]))
        assert len(bench.engine.requests) == 1
    assert [(prompt.kind, prompt.stands) for prompt in answer.prompts] == [(ResultKind.NUMBER, True)]


def test_the_best_page_stands_where_no_answer_is_verified(memory_store: JobStore) -> None:
    """Given guesses over the next pages, when none is verified, then what the best page gave stands."""
    script = {over(TEXTS[0]): NOT_FOUND, over(TEXTS[1]): GUESS, over(TEXTS[2]): NOT_FOUND}
    with working(memory_store, script) as bench:
        _, answer = answered(bench, asked(*TEXTS))
        assert len(bench.engine.requests) == 3
    assert (answer.kind, answer.line) == (ResultKind.NOT_FOUND, NOT_FOUND)
    assert [prompt.kind for prompt in answer.prompts] == [
        ResultKind.NOT_FOUND, ResultKind.NUMBER, ResultKind.NOT_FOUND,
    ]  # fmt: skip
    assert [prompt.stands for prompt in answer.prompts] == [True, False, False]


def test_a_next_page_that_is_too_long_is_left_out(memory_store: JobStore) -> None:
    """Given a next page longer than a row may be, when asked, then the page after it is asked all the same."""
    too_long = "revenue " * 1_000
    script = {over(TEXTS[0]): NOT_FOUND, over(TEXTS[1]): GROWTH}
    with working(memory_store, script) as bench:
        _, answer = answered(bench, asked(TEXTS[0], too_long, TEXTS[1]))
    assert answer.verification is Verification.VERIFIED
    assert [[page.page for page in prompt.pages] for prompt in answer.prompts] == [[1], [3]]


def test_a_question_without_next_pages_says_nothing_of_prompts(memory_store: JobStore) -> None:
    """Given a question over one context, then its answer is that of the only prompt."""
    with working(memory_store, {over(TEXTS[0]): NOT_FOUND}) as bench:
        _, answer = answered(bench, asked(TEXTS[0]))
        assert len(bench.engine.requests) == 1
    assert (answer.kind, answer.prompts) == (ResultKind.NOT_FOUND, ())


def test_confidence_is_the_probability_of_the_line_that_stands(memory_store: JobStore) -> None:
    """Given two pages of which the second is verified, then the confidence is that of the second line alone."""
    script = {over(TEXTS[0]): GUESS, over(TEXTS[1]): GROWTH}
    told = {over(TEXTS[0]): -0.5, over(TEXTS[1]): -0.01}
    with working(memory_store, script, told) as bench:
        _, answer = answered(bench, asked(*TEXTS[:2]))
    assert answer.line == GROWTH
    stop_token = 1
    assert answer.confidence == round(math.exp(-0.01 * (len(GROWTH) + stop_token)), 4)


def test_an_engine_without_probabilities_gives_no_confidence(memory_store: JobStore) -> None:
    with working(memory_store, {over(TEXTS[1]): GROWTH}) as bench:
        _, answer = answered(bench, asked(TEXTS[1]))
    assert answer.confidence is None


def test_free_text_asks_for_no_probabilities(memory_store: JobStore) -> None:
    """Given a question to be explained, then the engine is not asked for what nobody reads."""
    request = finance_request(QUESTION, [Source(document="acme.pdf", page=1, text=TEXTS[1])], Task.TEXT, 60)
    with working(memory_store, {over(TEXTS[1]): "Revenue grew."}, {}) as bench:
        _, answer = answered(bench, request)
        assert [one.logprobs for one in bench.engine.requests] == [False]
    assert answer.confidence is None
