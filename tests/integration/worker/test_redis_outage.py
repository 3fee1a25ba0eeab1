"""Redis going away under running jobs."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from common.events import EventType
from common.jobs import JobStatus, Lane
from common.queue import permits_key, send_permit
from tests.support.redis_process import RedisProcess
from tests.support.worker_process import QUICK_LEASES, Workers


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisProcess]:
    """A Redis of the test's own, which it may kill."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisProcess(folder)
    server.start()
    yield server
    server.kill()


def test_a_redis_restart_costs_no_job_and_no_attempt(redis_server: RedisProcess, tmp_path: Path) -> None:
    # Given jobs in the middle of their generation, and some that wait
    with Workers(redis_server.url, tmp_path, {**QUICK_LEASES, "FINANCELLM_MAX_ROWS": "4"}) as workers:
        worker = workers.start()
        job_ids = [workers.submit(f"Question {number} <<long>>", max_tokens=200) for number in range(6)]
        for job_id in job_ids[:4]:
            workers.wait_text(job_id)
        # The append-only file is written every second; what is younger may be lost with the server.
        time.sleep(1.2)
        # When Redis dies, stays away for longer than a lease, and comes back with its file
        redis_server.kill()
        time.sleep(3)
        redis_server.start()
        # Then every job succeeds with all its text once, and the worker is the same one
        for job_id in job_ids:
            job = workers.wait_end(job_id, 40)
            assert job.status is JobStatus.SUCCEEDED
            assert job.attempt == 1
            assert job.result is not None
            tokens = [event for event in workers.events(job_id) if event.type is EventType.TOKEN]
            assert "".join(event.data["text"] for event in tokens) == job.result.text
        assert worker.poll() is None
        # and it goes on serving
        workers.wait_end(workers.submit("Next"), 30)


def test_a_full_redis_ends_no_worker(redis_server: RedisProcess, tmp_path: Path) -> None:
    # Given an idle worker and the message of a permit
    with Workers(redis_server.url, tmp_path, QUICK_LEASES) as workers, redis.Redis.from_url(redis_server.url) as client:
        key = permits_key(workers.settings, Lane.INTERACTIVE)
        send_permit(workers.celery, Lane.INTERACTIVE, "any")
        message = client.lpop(key)
        worker = workers.start()
        # Once it has ended a job it is connected to the broker.
        workers.wait_end(workers.submit("Before"))
        # When the message reaches it while Redis is at its memory limit and cannot note the delivery
        client.config_set("maxmemory", 1)
        # A script whose first write needs no memory may go on.
        client.eval("redis.call('DEL', KEYS[1]); redis.call('RPUSH', KEYS[1], ARGV[1])", 1, key, message)
        workers.wait_until(lambda: client.llen(key) == 0, 10, "the message to be taken")
        time.sleep(1)
        client.config_set("maxmemory", 0)
        # Then the same process goes on serving
        assert workers.wait_end(workers.submit("After"), 30).status is JobStatus.SUCCEEDED
        assert worker.poll() is None
