"""One worker process doing its daily work."""

import time

import pytest

from common.events import EventType
from common.finance_requests import context_request
from common.finance_tasks import Task
from common.jobs import JobStatus, Lane
from tests.support.worker_process import Workers

SLOW = {"FINANCELLM_FAKE_STEP_MS": "40"}


def test_a_job_is_answered_with_its_events_and_timings(workers: Workers) -> None:
    # Given a worker, when a job is submitted
    workers.start()
    job_id = workers.submit("What was revenue? <<long>>", max_tokens=40)
    # Then it succeeds, every interval is measured, and its text events make up its answer
    job = workers.wait_end(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.result is not None
    assert workers.types(job_id) == [EventType.QUEUED, EventType.RUNNING, EventType.SUCCEEDED]
    text = "".join(event.data["text"] for event in workers.events(job_id) if event.type is EventType.TOKEN)
    assert text == job.result.text
    timings = job.result.timings
    assert timings.completion_tokens == 40
    assert timings.prefill_ms > 0
    assert timings.decode_ms >= 39 * 20
    assert timings.total_ms >= timings.prefill_ms + timings.decode_ms
    assert timings.engine == "fake"


def test_a_line_that_nobody_can_read_is_tried_twice_and_answered_as_such(workers: Workers) -> None:
    # Given a worker whose engine knows no answer lines, when figures are asked for
    workers.start({"FINANCELLM_FAKE_STEP_MS": "5"})
    request = context_request("What was revenue?", "Revenue was $5 million.", Task.FIGURES, 200)
    job_id = workers.submit("What was revenue?", request=request)
    job = workers.wait_end(job_id)
    # Then the job succeeds, says that its answer is in no known form, and its log holds both tries
    assert job.result is not None
    answer = job.result.answer
    assert answer is not None
    assert (answer.kind, answer.verification, answer.retried) == ("unparseable", "unverified", True)
    text = "".join(event.data["text"] for event in workers.events(job_id) if event.type is EventType.TOKEN)
    first, second = text.split("\n")
    assert (second, job.result.text) == (answer.line, answer.line)
    assert second.startswith(f"{first} |")
    # and the time of both is part of the whole
    timings = job.result.timings
    assert timings.total_ms >= timings.prefill_ms + timings.decode_ms


def test_jobs_submitted_together_share_batches(workers: Workers) -> None:
    # Given a worker, when sixteen jobs arrive at once
    workers.start()
    started_s = time.monotonic()
    job_ids = [workers.submit(f"Question {number} <<long>>", max_tokens=40) for number in range(16)]
    jobs = [workers.wait_end(job_id) for job_id in job_ids]
    seconds = time.monotonic() - started_s
    # Then their rows run side by side: far quicker than one after the other, and the results say so
    assert {job.status for job in jobs} == {JobStatus.SUCCEEDED}
    assert seconds < 16 * 40 * 0.02 / 2
    assert max(job.result.timings.batch_size_mean for job in jobs if job.result) > 8


def test_a_freed_place_is_taken_by_the_next_job_at_once(workers: Workers) -> None:
    # Given a worker with one place, and ten short jobs behind each other
    workers.start({"FINANCELLM_MAX_ROWS": "1", "FINANCELLM_FAKE_STEP_MS": "5"})
    workers.wait_end(workers.submit("warm up", max_tokens=1))
    started_s = time.monotonic()
    job_ids = [workers.submit(f"Question {number}", max_tokens=2) for number in range(10)]
    for job_id in job_ids:
        workers.wait_end(job_id)
    # Then none waits for a polling interval
    assert time.monotonic() - started_s < 3


def test_duplicate_and_late_permits_are_harmless(workers: Workers) -> None:
    # Given a worker, when every job's permit is sent three times
    workers.start()
    job_ids = [workers.submit(f"Question {number}", permits=3) for number in range(8)]
    # Then every job runs once
    for job_id in job_ids:
        assert workers.wait_end(job_id).attempt == 1
        assert workers.types(job_id) == [EventType.QUEUED, EventType.RUNNING, EventType.SUCCEEDED]


def test_a_job_whose_permit_was_lost_runs_all_the_same(workers: Workers) -> None:
    # Given a worker, when a job is accepted but its permit never sent
    workers.start()
    job_id = workers.submit("Question", permits=0)
    # Then the permits are reconciled and it runs
    assert workers.wait_end(job_id, 15).status is JobStatus.SUCCEEDED


def test_cancelling_ends_a_running_job_within_a_second(workers: Workers) -> None:
    # Given a job in the middle of its generation, with another beside it
    workers.start(SLOW)
    other_id = workers.submit("Beside it <<long>>", max_tokens=60)
    job_id = workers.submit("Long <<long>>", max_tokens=2_000)
    workers.wait_text(job_id)
    # When it is cancelled, then it ends at once and its neighbour goes on
    workers.cancel(job_id)
    assert workers.wait_end(job_id, 1.0).status is JobStatus.CANCELLED
    assert workers.types(job_id)[-2:] == [EventType.CANCELLING, EventType.CANCELLED]
    assert workers.wait_end(other_id).status is JobStatus.SUCCEEDED


def test_a_deadline_ends_a_running_job(workers: Workers) -> None:
    workers.start(SLOW)
    job_id = workers.submit("Long <<long>>", max_tokens=2_000, deadline_ms=700)
    job = workers.wait_end(job_id, 5)
    assert job.status is JobStatus.EXPIRED
    assert EventType.RUNNING in workers.types(job_id)


def test_a_row_the_engine_refuses_fails_alone(workers: Workers) -> None:
    # Given a worker, when one job asks for more tokens than the engine holds and one for an error in its row
    workers.start()
    good_id = workers.submit("Good <<long>>", max_tokens=60)
    long_id = workers.submit("Too long", max_tokens=1_000_000)
    row_id = workers.submit("Broken <<row-error>>")
    # Then each says so, and the job beside them succeeds
    long, row = workers.wait_end(long_id), workers.wait_end(row_id)
    assert long.status is row.status is JobStatus.FAILED
    assert long.error is not None
    assert "1000" in long.error.message
    assert row.error is not None
    assert row.error.code == "engine_error"
    assert workers.wait_end(good_id).status is JobStatus.SUCCEEDED


def test_a_step_that_raises_fails_the_row_that_breaks_it_and_no_other(workers: Workers) -> None:
    # Given a worker with eight running jobs, when a job comes that makes every step with it raise
    workers.start(SLOW)
    good_ids = [workers.submit(f"Good {number} <<long>>", max_tokens=50) for number in range(8)]
    for job_id in good_ids:
        workers.wait_status(job_id, JobStatus.RUNNING)
    bad_id = workers.submit("Broken <<raise>>")
    # Then it fails, and the others go on with a fresh engine where they stood
    bad = workers.wait_end(bad_id)
    assert bad.status is JobStatus.FAILED
    assert bad.error is not None
    assert bad.error.code == "engine_error"
    for job_id in good_ids:
        job = workers.wait_end(job_id)
        assert job.status is JobStatus.SUCCEEDED
        assert job.attempt == 1
        text = "".join(event.data["text"] for event in workers.events(job_id) if event.type is EventType.TOKEN)
        assert job.result is not None
        assert text == job.result.text
        assert job.result.timings.completion_tokens == 50


def test_stop_strings_end_the_answer(workers: Workers) -> None:
    workers.start()
    job = workers.wait_end(workers.submit("Words <<long>>", max_tokens=80, stop=(" ",)))
    assert job.result is not None
    assert job.result.finish_reason == "stop"
    assert job.result.text
    assert " " not in job.result.text


@pytest.mark.parametrize("lane", list(Lane))
def test_a_worker_serves_only_its_lanes(workers: Workers, lane: Lane) -> None:
    # Given a worker of one lane, when a job is waiting in each
    other = next(other for other in Lane if other is not lane)
    workers.start({"FINANCELLM_LANES": lane.value})
    left_id = workers.submit("Other lane", lane=other)
    assert workers.wait_end(workers.submit("This lane", lane=lane)).status is JobStatus.SUCCEEDED
    # Then only its own ran
    assert workers.job(left_id).status is JobStatus.QUEUED
