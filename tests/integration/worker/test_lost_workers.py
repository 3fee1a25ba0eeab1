"""Workers that die, hang or are told to stop, and what becomes of their jobs."""

import signal
import time

from common.events import EventType
from common.jobs import JobStatus
from tests.support.worker_process import Workers, kill

SLOW = {"FINANCELLM_FAKE_STEP_MS": "30"}


def test_a_killed_workers_job_finishes_once_on_another(workers: Workers) -> None:
    # Given a job in the middle of its generation
    victim = workers.start(SLOW)
    job_id = workers.submit("Question <<long>>", max_tokens=100)
    workers.wait_text(job_id)
    # When its worker is killed and another is there
    kill(victim)
    workers.start(SLOW)
    # Then it finishes once, and its log shows both attempts
    job = workers.wait_end(job_id, 25)
    assert job.status is JobStatus.SUCCEEDED
    assert job.attempt == 2
    assert job.worker == "worker-1"
    assert workers.types(job_id) == [
        EventType.QUEUED, EventType.RUNNING, EventType.REQUEUED, EventType.RUNNING, EventType.SUCCEEDED,
    ]  # fmt: skip


def test_poison_fails_and_its_neighbours_succeed(workers: Workers) -> None:
    # Given a worker with seven running jobs, and a supervisor that starts it again whenever it dies
    workers.start(SLOW)
    good_ids = [workers.submit(f"Good {number} <<long>>", max_tokens=60) for number in range(7)]
    for job_id in good_ids:
        workers.wait_status(job_id, JobStatus.RUNNING)
    # When a job comes that kills its worker each time
    poison_id = workers.submit("Poison <<crash>>")
    deaths = 0
    deadline_s = time.monotonic() + 80
    ids = [poison_id, *good_ids]
    while not all(workers.job(job_id).status.is_terminal for job_id in ids):
        assert time.monotonic() < deadline_s, workers.logs()
        if workers.processes[-1].poll() is not None:
            deaths += 1
            workers.start(SLOW, ready=False)
        time.sleep(0.05)
    # Then it is given up after three attempts, and no neighbour was taken down a second time
    poison = workers.job(poison_id)
    assert poison.status is JobStatus.FAILED
    assert poison.error is not None
    assert poison.error.code == "poisoned"
    assert poison.attempt == 3
    assert deaths == 3
    for job_id in good_ids:
        job = workers.job(job_id)
        assert job.status is JobStatus.SUCCEEDED, job
        assert job.attempt <= 2


def test_a_stopped_worker_finishes_what_fits_and_hands_the_rest_back(workers: Workers) -> None:
    # Given a worker with a short and a long job running
    first = workers.start({**SLOW, "FINANCELLM_DRAIN_S": "2"})
    short_id = workers.submit("Short <<long>>", max_tokens=30)
    long_id = workers.submit("Long <<long>>", max_tokens=150)
    workers.wait_text(short_id)
    workers.wait_text(long_id)
    # When it is told to stop, with another job arriving and another worker there
    first.terminate()
    late_id = workers.submit("Late")
    workers.start(SLOW)
    # Then it leaves in time; the short job was finished, the long one handed back without counting an attempt
    assert first.wait(15) == 0
    jobs = [workers.wait_end(job_id) for job_id in (short_id, long_id, late_id)]
    assert [job.status for job in jobs] == [JobStatus.SUCCEEDED] * 3
    assert [job.worker for job in jobs] == ["worker-0", "worker-1", "worker-1"]
    assert [job.attempt for job in jobs] == [1, 1, 1]
    requeued = [event for event in workers.events(long_id) if event.type is EventType.REQUEUED]
    assert [event.data["reason"] for event in requeued] == ["drain"]
    assert "worker-0" not in workers.live_workers()


def test_a_second_signal_hands_everything_back_at_once(workers: Workers) -> None:
    # Given a worker with a long job and a long drain time
    first = workers.start({**SLOW, "FINANCELLM_DRAIN_S": "60"})
    job_id = workers.submit("Long <<long>>", max_tokens=3_000)
    workers.wait_text(job_id)
    # When it is told to stop twice, then it leaves at once with the job handed back
    first.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert first.poll() is None
    first.terminate()
    assert first.wait(8) == 0
    job = workers.job(job_id)
    assert job.status is JobStatus.QUEUED
    assert job.attempt == 0


def test_a_hanging_step_ends_the_process_and_the_job_moves_on(workers: Workers) -> None:
    # Given a worker whose engine hangs in a step with another job beside it
    first = workers.start({**SLOW, "FINANCELLM_STALL_TIMEOUT_S": "2"})
    good_id = workers.submit("Good <<long>>", max_tokens=100)
    workers.wait_text(good_id)
    workers.submit("Hanging <<hang>>")
    # Then the watchdog ends it with the exit code for that, and the neighbour finishes elsewhere
    assert first.wait(20) == 70
    workers.start({**SLOW, "FINANCELLM_STALL_TIMEOUT_S": "2"}, ready=False)
    assert workers.wait_end(good_id).status is JobStatus.SUCCEEDED


def test_a_worker_that_lost_its_lease_drops_its_result(workers: Workers) -> None:
    # Given a worker that stands still in the middle of a job for longer than its lease
    first = workers.start(SLOW)
    job_id = workers.submit("Question <<long>>", max_tokens=80)
    workers.wait_text(job_id)
    first.send_signal(signal.SIGSTOP)
    workers.start(SLOW)
    workers.wait_until(lambda: workers.job(job_id).worker == "worker-1", 20, "the job to move on")
    # When it goes on, then the other worker's result is the only one
    first.send_signal(signal.SIGCONT)
    job = workers.wait_end(job_id)
    assert job.status is JobStatus.SUCCEEDED
    assert job.worker == "worker-1"
    time.sleep(1)
    assert sum(event.type.is_terminal for event in workers.events(job_id)) == 1
    assert first.poll() is None
    # and it goes on serving
    workers.wait_end(workers.submit("Next"))
