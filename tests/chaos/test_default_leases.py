"""Recovery with the settings a deployment has."""

import time
from pathlib import Path

from common.events import EventType
from common.jobs import JobStatus
from tests.support.worker_process import Workers, kill

RECOVERY_LIMIT_MS = 25_000


def test_a_killed_workers_jobs_are_claimed_again_within_25_s(redis_url: str, tmp_path: Path) -> None:
    # Given two workers with default leases, one of them in the middle of a job
    with Workers(redis_url, tmp_path, {"FINANCELLM_FAKE_STEP_MS": "30"}) as workers:
        victim = workers.start()
        job_id = workers.submit("Question <<long>>", max_tokens=150)
        workers.wait_text(job_id)
        workers.start()
        # When that one is killed
        killed_at_ms = time.time() * 1000
        kill(victim)
        # Then the other claims the job again in time and finishes it once
        job = workers.wait_end(job_id, 60)
        assert job.status is JobStatus.SUCCEEDED
        assert job.worker == "worker-1"
        runs = [event.at_ms for event in workers.events(job_id) if event.type is EventType.RUNNING]
        assert len(runs) == 2
        assert runs[1] - killed_at_ms < RECOVERY_LIMIT_MS
        assert sum(event.type.is_terminal for event in workers.events(job_id)) == 1
