"""Chat completions by the official openai client against real processes with the fake engine."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.support.stack import Stack
from tests.support.worker_process import QUICK_LEASES

STEP_MS = 20
# The fake engine answers with as many tokens as it may make, one a step.
LONG: list[Any] = [{"role": "user", "content": "<<long>> Tell everything."}]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    env = {"FINANCELLM_FAKE_FAULTS": "true", "FINANCELLM_FAKE_STEP_MS": str(STEP_MS), **QUICK_LEASES}
    with Stack(tmp_path_factory.mktemp("chat"), "fake", env=env) as running:
        yield running


@pytest.fixture
def ai(stack: Stack) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{stack.url}/v1", api_key="none", timeout=60, max_retries=0) as client:
        yield client


def newest(stack: Stack) -> dict[str, Any]:
    """The job accepted last."""
    job: dict[str, Any] = httpx.get(f"{stack.url}/v1/jobs?limit=1").json()["data"][0]
    return job


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_a_stream_arrives_while_it_is_made_and_equals_the_whole_answer(ai: OpenAI) -> None:
    """Given the same chat whole and streamed, then the texts are equal, and the stream began long before its end."""
    whole = ai.chat.completions.create(model="fake", messages=LONG, max_tokens=100)
    arrived_s: list[float] = []
    text = ""
    for chunk in ai.chat.completions.create(model="fake", messages=LONG, max_tokens=100, stream=True):
        arrived_s.append(time.monotonic())
        text += chunk.choices[0].delta.content or ""
    assert text == whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "length"
    assert len(arrived_s) > 4
    assert arrived_s[-1] - arrived_s[1] > 100 * STEP_MS / 1000 / 4


def test_a_client_that_gives_up_cancels_its_job(ai: OpenAI, stack: Stack) -> None:
    """Given a long answer, when its client's patience ends, then the job is cancelled."""
    with pytest.raises(openai.APITimeoutError):
        ai.with_options(timeout=1).chat.completions.create(model="fake", messages=LONG, max_tokens=1_500)
    job = newest(stack)
    assert job["max_tokens"] == 1_500
    wait_until(lambda: newest(stack)["status"] == "cancelled")


def test_a_stream_that_is_closed_cancels_its_job(ai: OpenAI, stack: Stack) -> None:
    """Given a long streamed answer, when its client closes it after some text, then the job is cancelled."""
    stream = ai.chat.completions.create(model="fake", messages=LONG, max_tokens=1_501, stream=True)
    next(chunk for chunk in stream if chunk.choices[0].delta.content)
    stream.close()
    assert newest(stack)["max_tokens"] == 1_501
    wait_until(lambda: newest(stack)["status"] == "cancelled")


def test_with_a_key_the_answer_can_be_fetched_after_leaving(ai: OpenAI, stack: Stack) -> None:
    """Given an Idempotency-Key and a client that gave up, when it asks again, then it gets the same job's answer."""
    ask = ai.with_options(default_headers={"Idempotency-Key": '"later"'})
    with pytest.raises(openai.APITimeoutError):
        ask.with_options(timeout=0.7).chat.completions.create(model="fake", messages=LONG, max_tokens=200)
    left = newest(stack)
    answer = ask.chat.completions.create(model="fake", messages=LONG, max_tokens=200)
    assert answer.id.removeprefix("chatcmpl-") == left["id"].removeprefix("job_")
    assert newest(stack)["id"] == left["id"]


def test_a_killed_worker_neither_loses_nor_doubles_streamed_text(ai: OpenAI, stack: Stack) -> None:
    """Given a stream in its middle, when its worker is killed and another goes on, then the text is the same."""
    expected = ai.chat.completions.create(model="fake", messages=LONG, max_tokens=150).choices[0].message.content
    stream = ai.chat.completions.create(model="fake", messages=LONG, max_tokens=150, stream=True)
    text = ""
    while len(text) < 20:
        text += next(stream).choices[0].delta.content or ""
    victim = stack.workers[-1]
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    stack.start_worker()
    for chunk in stream:
        text += chunk.choices[0].delta.content or ""
    assert text == expected
    assert newest(stack)["attempt"] == 2


def test_the_client_can_look_at_the_model(ai: OpenAI) -> None:
    """Given the running service, when models are listed, then the worker's is there and can be looked at."""
    assert "fake" in [model.id for model in ai.models.list()]
    assert ai.models.retrieve("fake").id == "fake"


def test_a_gateway_that_goes_down_cancels_what_it_waits_for(stack: Stack) -> None:
    """Given a chat that is waited for, when the gateway is stopped, then 503 comes and nobody works for nothing."""
    errors: list[openai.APIStatusError] = []

    def ask() -> None:
        with OpenAI(base_url=f"{stack.url}/v1", api_key="none", timeout=60, max_retries=0) as client:
            try:
                client.chat.completions.create(model="fake", messages=LONG, max_tokens=1_502)
            except openai.APIStatusError as error:
                errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: newest(stack)["max_tokens"] == 1_502 and newest(stack)["status"] == "running")
    assert stack.api is not None
    stack.api.terminate()
    assert stack.api.wait(timeout=30) == 0
    asking.join(10)
    assert [(error.status_code, error.code) for error in errors] == [(503, "unavailable")]
    stack.start_api()
    stack.wait_ready(workers=1)
    wait_until(lambda: newest(stack)["status"] == "cancelled")
