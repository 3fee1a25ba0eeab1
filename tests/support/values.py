"""Small values that many tests need."""

from common.jobs import GenerateRequest, GenerateResult, Lane, Timings, new_job_id
from common.overviews import WorkerInfo
from common.prompts import question_messages
from common.submissions import NewJob

REQUEST = GenerateRequest(messages=question_messages("What was revenue?", "Revenue was $5.", None), max_tokens=10)

WORKER = WorkerInfo(
    name="w1",
    engine="fake",
    model="fake",
    model_revision="r0",
    lanes=("interactive", "bulk"),
    max_rows=4,
    running=0,
    max_row_tokens=4096,
    tokens_per_second=100.0,
)


def new_job(
    *,
    lane: Lane = Lane.INTERACTIVE,
    caller: str = "alice",
    flow: str | None = None,
    priority: int = 0,
    prompt_tokens: int = 90,
    deadline_ms: int | None = None,
    webhook_url: str | None = None,
    idempotency_key: str | None = None,
    body_hash: str = "body",
) -> NewJob:
    """A submission that costs 100 tokens unless told otherwise."""
    return NewJob(
        id=new_job_id(),
        lane=lane,
        caller=caller,
        flow=flow or caller,
        request=REQUEST,
        prompt_tokens=prompt_tokens,
        priority=priority,
        deadline_ms=deadline_ms,
        webhook_url=webhook_url,
        idempotency_key=idempotency_key,
        body_hash=body_hash,
    )


def result(text: str = "answer", wait_ms: float = 0) -> GenerateResult:
    """A finished answer that waited for a row after its claim."""
    timings = Timings(
        queue_ms=wait_ms,
        tokenize_ms=1,
        prefill_ms=2,
        decode_ms=3,
        total_ms=0,
        prompt_tokens=90,
        cached_prompt_tokens=0,
        completion_tokens=5,
        decode_tokens_per_second=100.0,
        batch_size_mean=1.0,
        engine="fake",
        model_revision="r0",
    )
    return GenerateResult(text=text, finish_reason="stop", timings=timings)
