"""Chat completions and models as the official openai client gets them; the test plays the worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from common import operations
from common.jobs import Job, JobError, JobStatus, Lane
from common.operations import claim, end, heartbeat, succeed
from common.prompts import Role
from common.store import JobStore
from tests.support.values import WORKER, result
from tests.unit.gateway.conftest import BASE_URL, MakeClient

MESSAGES: list[Any] = [{"role": "user", "content": "What was revenue?"}]
KEY_HASH = "alice=c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2"

MakeOpenAI = Callable[..., AbstractAsyncContextManager[AsyncOpenAI]]
Act = Callable[[Job], None]


@pytest.fixture
def make_openai(make_client: MakeClient) -> MakeOpenAI:
    """Builds official clients of a running application; `retries` is how often they ask again by themselves."""

    @asynccontextmanager
    async def connect(api_key: str = "none", retries: int = 0, **settings: Any) -> AsyncIterator[AsyncOpenAI]:
        async with make_client(**settings) as http:
            transport: Any = http
            yield AsyncOpenAI(api_key=api_key, base_url=f"{BASE_URL}/v1", http_client=transport, max_retries=retries)

    return connect


@pytest.fixture
async def ai(make_openai: MakeOpenAI) -> AsyncIterator[AsyncOpenAI]:
    """The official client of an application with default settings."""
    async with make_openai() as connected:
        yield connected


async def claimed(store: JobStore) -> Job:
    """The next job, as soon as there is one."""
    for _ in range(1_000):
        if (taken := store.run(claim("w1", Lane.INTERACTIVE, 20_000))) is not None:
            return taken.job
        await asyncio.sleep(0.01)
    raise TimeoutError("no job came")


async def while_working(store: JobStore, asked: Awaitable[Any], act: Act) -> Any:
    """What a request answers while a worker does this with its job."""
    waiting = asyncio.ensure_future(asked)
    act(await claimed(store))
    return await waiting


def answering(store: JobStore, text: str = "42", reason: str = "stop") -> Act:
    """A worker that answers."""

    def act(job: Job) -> None:
        answer = result(text).model_copy(update={"finish_reason": reason})
        assert store.run(succeed(job.id, job.fencing_token, answer))

    return act


def saying(store: JobStore, job: Job, offset: int, text: str) -> None:
    """Append text to a job's event log."""
    data = {"attempt": job.attempt, "offset": offset, "text": text}
    store.run(operations.progress([(job.id, job.fencing_token, data)]))


async def test_an_answer_has_everything_clients_read(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a chat, when a worker answers, then the client gets text, reason, usage, fingerprint and our timings."""
    answer = await while_working(
        worker_store,
        ai.chat.completions.create(model="financellm", messages=MESSAGES, max_tokens=5, user="u", n=1),
        answering(worker_store, "It was $5.", "length"),
    )
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert (answer.model, answer.system_fingerprint) == ("financellm", "fake-r0")
    assert [choice.message.content for choice in answer.choices] == ["It was $5."]
    assert (answer.choices[0].finish_reason, answer.choices[0].message.role) == ("length", "assistant")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (90, 5, 95)
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    assert answer.financellm["timings"]["prefill_ms"] == 2
    assert answer.financellm["job_id"].removeprefix("job_") == answer.id.removeprefix("chatcmpl-")


async def test_an_answer_goes_back_into_the_conversation(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given an answer's message object, when sent back with the next question, then the worker sees every turn."""
    first = await while_working(
        worker_store, ai.chat.completions.create(model="financellm", messages=MESSAGES), answering(worker_store)
    )
    seen: list[Job] = []

    def act(job: Job) -> None:
        seen.append(job)
        answering(worker_store)(job)

    more = [*MESSAGES, first.choices[0].message, {"role": "user", "content": "And <|im_end|> before?"}]
    await while_working(
        worker_store,
        ai.chat.completions.create(model="financellm", messages=more, metadata={"report": "7"}),
        act,
    )
    assert [(turn.role, turn.content) for turn in seen[0].request.messages[1:]] == [
        (Role.USER, "What was revenue?"),
        (Role.ASSISTANT, "42"),
        (Role.USER, "And <|im_end|> before?"),
    ]
    assert (seen[0].metadata, seen[0].lane) == ({"report": "7"}, Lane.INTERACTIVE)


async def chunks_of(ai: AsyncOpenAI, **fields: Any) -> list[Any]:
    """All chunks of a streamed chat."""
    stream: Any = await ai.chat.completions.create(model="financellm", messages=MESSAGES, stream=True, **fields)
    return [chunk async for chunk in stream]


def text_of(chunks: list[Any]) -> str:
    """The text that chunks add up to."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def test_a_stream_opens_with_the_role_and_closes_with_usage(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a streamed chat with usage, when answered in pieces, then role, pieces, reason and usage come in order."""

    def act(job: Job) -> None:
        saying(worker_store, job, 0, "It was")
        saying(worker_store, job, 6, " $5\u2028.")
        answering(worker_store, "It was $5\u2028.")(job)

    asked = chunks_of(ai, stream_options={"include_usage": True})
    opening, first, second, closing, usage = await while_working(worker_store, asked, act)
    assert (opening.choices[0].delta.role, opening.object) == ("assistant", "chat.completion.chunk")
    assert [first.choices[0].delta.content, second.choices[0].delta.content] == ["It was", " $5\u2028."]
    assert [chunk.choices[0].finish_reason for chunk in (opening, first, second, closing)] == [None] * 3 + ["stop"]
    assert closing.choices[0].delta.content is None
    assert closing.financellm["timings"]["engine"] == "fake"
    assert (usage.choices, usage.usage.total_tokens) == ([], 95)
    assert len({chunk.id for chunk in (opening, first, second, closing, usage)}) == 1


async def test_a_stream_without_usage_has_none(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a streamed chat, when its text comes with the result only, then it is sent, and no usage chunk."""
    chunks = await while_working(worker_store, chunks_of(ai), answering(worker_store, "42"))
    assert text_of(chunks) == "42"
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


async def test_a_lost_worker_doubles_no_text(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a worker lost in the middle, when another begins again, then the client gets the answer once."""
    waiting = asyncio.ensure_future(chunks_of(ai))
    first = await claimed(worker_store)
    saying(worker_store, first, 0, "It was ")
    saying(worker_store, first, 7, "$5 mil")
    worker_store.run(operations.release(first.id, first.fencing_token, "drain"))
    second = await claimed(worker_store)
    saying(worker_store, second, 0, "It ")
    saying(worker_store, second, 3, "was $5 million")
    answering(worker_store, "It was $5 million.")(second)
    assert text_of(await waiting) == "It was $5 million."


async def test_a_second_attempt_that_says_otherwise_ends_the_stream(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a second attempt with another text, when streamed, then the client gets an error that names the job."""
    waiting = asyncio.ensure_future(chunks_of(ai))
    first = await claimed(worker_store)
    saying(worker_store, first, 0, "It was $5")
    worker_store.run(operations.release(first.id, first.fencing_token, "drain"))
    second = await claimed(worker_store)
    saying(worker_store, second, 0, "It was $7")
    answering(worker_store, "It was $7")(second)
    with pytest.raises(openai.APIError, match=f"GET /v1/jobs/{first.id}") as caught:
        await waiting
    assert caught.value.code == "job_failed"


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failed_job_is_told_with_its_reason(ai: AsyncOpenAI, worker_store: JobStore, streamed: bool) -> None:
    """Given a job that fails, when waited for, then the client raises with the job's reason."""

    def act(job: Job) -> None:
        worker_store.run(end(job.id, job.fencing_token, JobStatus.FAILED, JobError(code="poisoned", message="no luck")))

    asked = chunks_of(ai) if streamed else ai.chat.completions.create(model="financellm", messages=MESSAGES)
    with pytest.raises(openai.APIError, match=r"\(poisoned\): no luck") as caught:
        await while_working(worker_store, asked, act)
    assert caught.value.code == "job_failed"


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"n": 2}, "unsupported_parameter", "n"),
        ({"extra_body": {"best_of": 2}}, "invalid_request", "best_of"),
        ({"temperature": 3}, "invalid_request", "temperature"),
        ({"max_tokens": 5_000}, "context_length_exceeded", "messages"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_what_cannot_be_served_is_a_bad_request(
    ai: AsyncOpenAI, fields: dict[str, Any], code: str, param: str, streamed: bool
) -> None:
    """Given a wrong parameter, when sent, streamed or not, then BadRequestError names it."""
    with pytest.raises(openai.BadRequestError) as caught:
        await ai.chat.completions.create(model="financellm", messages=MESSAGES, stream=streamed, **fields)
    assert (caught.value.code, caught.value.param, caught.value.type) == (code, param, "invalid_request_error")


async def test_several_faults_are_all_told(ai: AsyncOpenAI) -> None:
    """Given two wrong fields, when sent, then the message is about both."""
    with pytest.raises(openai.BadRequestError, match=r"temperature: .*top_p: "):
        await ai.chat.completions.create(model="financellm", messages=MESSAGES, temperature=3, top_p=3)


async def test_an_unknown_model_is_not_found(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a model nobody serves, when asked for, then NotFoundError tells the names there are."""
    worker_store.run(heartbeat(WORKER, 1_000, []))
    with pytest.raises(openai.NotFoundError, match="known names: fake, financellm") as caught:
        await ai.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        await ai.models.retrieve("gpt-4o")


async def test_keys_are_needed_where_they_are_configured(make_openai: MakeOpenAI, worker_store: JobStore) -> None:
    """Given a service with keys, when called with a wrong and the right one, then only the latter is served."""
    async with make_openai("wrong", api_key_hashes=KEY_HASH) as ai:
        with pytest.raises(openai.AuthenticationError, match="API key is not known") as caught:
            await ai.chat.completions.create(model="financellm", messages=MESSAGES)
        assert caught.value.code == "invalid_api_key"
    async with make_openai("foobar", api_key_hashes=KEY_HASH) as ai:
        asked = ai.chat.completions.create(model="fake", messages=MESSAGES)
        worker_store.run(heartbeat(WORKER, 1_000, []))
        assert (await while_working(worker_store, asked, answering(worker_store))).model == "fake"


async def test_a_full_queue_is_a_rate_limit(make_openai: MakeOpenAI, worker_store: JobStore) -> None:
    """Given a full queue, when asked, then RateLimitError, and a client that may ask again is served in its turn."""
    fast = WORKER.model_copy(update={"tokens_per_second": 100_000.0})
    worker_store.run(heartbeat(fast, 1_000, []))
    async with make_openai(max_backlog_tokens=1_000) as ai:
        first = asyncio.ensure_future(ai.chat.completions.create(model="financellm", messages=MESSAGES, max_tokens=600))
        await asyncio.sleep(0.2)
        with pytest.raises(openai.RateLimitError) as caught:
            await ai.chat.completions.create(model="financellm", messages=MESSAGES, max_tokens=600)
        assert caught.value.response.headers["retry-after"] == "1"
        patient = ai.with_options(max_retries=2).chat.completions
        second = asyncio.ensure_future(patient.create(model="financellm", messages=MESSAGES, max_tokens=600))
        await asyncio.sleep(0.1)
        answering(worker_store, "first")(await claimed(worker_store))
        answering(worker_store, "second")(await claimed(worker_store))
        texts = [(await answer).choices[0].message.content for answer in (first, second)]
    assert texts == ["first", "second"]


async def test_a_wait_that_is_over_names_the_job_and_asks_once(make_openai: MakeOpenAI, worker_store: JobStore) -> None:
    """Given a short longest wait, when it is over, then the error names the job, which goes on and is the only one."""
    async with make_openai(retries=2, chat_wait_s=0.3) as ai:
        with pytest.raises(openai.InternalServerError, match=r"GET /v1/jobs/job_") as caught:
            await ai.chat.completions.create(model="financellm", messages=MESSAGES)
    assert (caught.value.status_code, caught.value.code) == (504, "wait_over")
    assert (await claimed(worker_store)).id in caught.value.message
    assert worker_store.run(operations.overview()).counts["accepted"] == 1


async def test_an_idempotency_key_asks_once(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given one key, when the same chat is sent twice, then it is one job; when another is, then it is refused."""
    ask = ai.with_options(default_headers={"Idempotency-Key": '"k"'}).chat.completions
    first = await while_working(
        worker_store, ask.create(model="financellm", messages=MESSAGES), answering(worker_store)
    )
    again = await ask.create(model="financellm", messages=MESSAGES)
    assert again.id == first.id
    with pytest.raises(openai.BadRequestError, match="different body"):
        await ask.create(model="financellm", messages=MESSAGES, temperature=1)


async def test_models_are_listed_and_found(ai: AsyncOpenAI, worker_store: JobStore) -> None:
    """Given a worker's model, when listed and looked at by name and by the common alias, then it is the same."""
    worker_store.run(heartbeat(WORKER, 1_000, []))
    (listed,) = [model async for model in ai.models.list()]
    assert (listed.id, listed.object, listed.owned_by) == ("fake", "model", "financellm")
    assert await ai.models.retrieve("fake") == listed
    assert await ai.models.retrieve("financellm") == listed
