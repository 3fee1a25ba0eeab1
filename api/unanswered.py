"""How waiting for a job ends without its answer."""

from common.errors import FinanceLLMError
from common.jobs import GenerateResult, Job, JobStatus


class UnansweredError(FinanceLLMError):
    """A client waited for a job that gave no answer; the message tells the job's id."""


class WaitOverError(UnansweredError):
    """The job goes on, but nobody is kept waiting that long."""

    code = "wait_over"

    def __init__(self, job_id: str, waited_s: float) -> None:
        super().__init__(
            f"The answer is not there after {waited_s:g} seconds. Its job goes on: GET /v1/jobs/{job_id} tells when it "
            "is done. Do not send the request again, that would start another job."
        )


class JobFailedError(UnansweredError):
    """The job failed; asking again would most likely fail again."""

    code = "job_failed"


class JobCancelledError(UnansweredError):
    """Somebody cancelled the job before its answer was there."""

    code = "job_cancelled"


def answer_of(job: Job) -> GenerateResult:
    """Return an ended job's result; raises JobFailedError or JobCancelledError where there is none."""
    if job.result is not None:
        return job.result
    if job.status is JobStatus.FAILED and job.error is not None:
        raise JobFailedError(f"Job {job.id} failed ({job.error.code}): {job.error.message}")
    raise JobCancelledError(f"Job {job.id} is {job.status} and has no answer.")
