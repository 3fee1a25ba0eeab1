"""Requests that meet each other."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from common import operations
from common.jobs import Lane
from common.store import JobStore
from tests.integration.gateway.conftest import GatewayProcess
from tests.integration.gateway.playing_worker import submit
from tests.support.values import WORKER


def until_settled(connection: Any) -> None:
    """Wait until no more messages are sent: answers come before them."""
    before = -1
    while before != (before := connection.llen("test.jobs.interactive")):
        time.sleep(0.5)


def test_twenty_equal_submissions_make_one_job(
    client: httpx.Client, gateway: GatewayProcess, job_store: JobStore
) -> None:
    """Given 20 clients that send the same key and body at once, then there is one job and one of them made it."""

    def send(_number: int) -> httpx.Response:
        return httpx.post(f"{gateway.url}/v1/jobs", json={"question": "q"}, headers={"Idempotency-Key": '"same"'})

    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(send, range(20)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    assert [response.headers.get("Idempotency-Replayed") for response in responses].count(None) == 1
    assert job_store.run(operations.overview()).counts["accepted"] == 1


def test_keys_with_different_bodies_at_once_let_one_through(client: httpx.Client, gateway: GatewayProcess) -> None:
    """Given 10 clients that send one key with different bodies at once, then one is accepted and nine are told."""

    def send(number: int) -> int:
        headers = {"Idempotency-Key": "same"}
        return httpx.post(f"{gateway.url}/v1/jobs", json={"question": str(number)}, headers=headers).status_code

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(send, range(10))) == [202] + [422] * 9


def test_a_submission_costs_one_script_and_one_message(client: httpx.Client, job_store: JobStore) -> None:
    """Given a warm gateway, when 100 jobs are submitted, then Redis saw 100 scripts, 100 messages, and little else."""
    connection: Any = job_store.client
    for _ in range(5):
        submit(client)
    until_settled(connection)
    connection.config_resetstat()
    for _ in range(100):
        submit(client)
    until_settled(connection)
    calls = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in connection.info("commandstats").items()}
    # The scripts' own commands count as well, so only what the gateway itself sends is compared.
    assert calls["lpush"] == 100
    # Beside the submissions, the overview is read once a second at most.
    assert 100 <= calls["evalsha"] <= 110


def test_two_gateways_share_everything(
    client: httpx.Client, gateway: GatewayProcess, start_gateway: object, redis_url: str, job_store: JobStore
) -> None:
    """Given a job accepted by one gateway, when another is asked, then it knows it and can cancel it."""
    assert callable(start_gateway)
    second = start_gateway(redis_url)
    job = submit(client)
    assert httpx.get(second.url + job["links"]["self"]).json() == client.get(job["links"]["self"]).json()
    assert httpx.post(second.url + job["links"]["cancel"]).json()["status"] == "cancelled"
    assert client.get(job["links"]["self"]).json()["status"] == "cancelled"
    assert job_store.run(operations.claim("w", Lane.INTERACTIVE, 1_000)) is None


def test_who_is_refused_by_one_gateway_gets_in_at_another_when_told(
    start_gateway: Callable[..., GatewayProcess], redis_url: str, job_store: JobStore
) -> None:
    # Given two gateways, a full queue and a worker that is known to do 2,000 tokens a second
    gateways = [start_gateway(redis_url, max_backlog_tokens="4000") for _ in range(2)]
    job_store.run(operations.heartbeat(WORKER.model_copy(update={"tokens_per_second": 2_000.0}), 1_000, []))
    body = {"max_tokens": 900, "system": "s"}

    def send(gateway: GatewayProcess, question: str) -> httpx.Response:
        return httpx.post(f"{gateway.url}/v1/jobs", json=body | {"question": question}, timeout=30)

    numbers = itertools.count()
    while send(gateways[0], f"first {next(numbers)}").status_code == 202:
        pass
    # When four clients are refused, two by each gateway
    refused = [send(gateways[number % 2], f"refused {number}") for number in range(4)]
    assert {response.status_code for response in refused} == {429}
    told_s = [int(response.headers["Retry-After"]) for response in refused]
    # Then they are told times one after the other, although no gateway saw all of them
    assert told_s == sorted(told_s)
    assert told_s[-1] > told_s[0]
    # And each gets in at the other gateway at its first return, while somebody else does not
    time.sleep(told_s[-1])
    for _ in range(2):
        assert job_store.run(operations.claim("w1", Lane.INTERACTIVE, 20_000)) is not None
    assert send(gateways[0], "newcomer").status_code == 429
    returned = [send(gateways[(number + 1) % 2], f"refused {number}").status_code for number in range(4)]
    assert returned == [202] * 4


def test_messages_carry_the_job_id_for_the_log(client: httpx.Client, job_store: JobStore) -> None:
    """Given a submission, when the worker's queue is read, then its message is there."""
    job = submit(client, lane="bulk")
    connection: Any = job_store.client
    _, message = connection.blpop(["test.jobs.bulk"], timeout=10)
    assert job["id"] in message
