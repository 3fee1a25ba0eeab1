"""How a job lies in its Redis hash."""

import json
from collections.abc import Sequence
from typing import Any

from common.jobs import GenerateRequest, GenerateResult, Job, JobError, WebhookState


def job_from_fields(fields: Sequence[str]) -> Job:
    """Build a job from the flat name, value, … list of its hash."""
    record = dict(zip(fields[::2], fields[1::2], strict=True))
    return Job(
        id=record["id"],
        status=record["status"],
        lane=record["lane"],
        caller=record["caller"],
        request=GenerateRequest.model_validate_json(record["request"]),
        prompt_tokens=record["prompt_tokens"],
        cost_tokens=record["cost_tokens"],
        priority=record["priority"],
        created_at_ms=record["created_at_ms"],
        deadline_at_ms=record.get("deadline_at_ms"),
        attempt=record["attempt"],
        fencing_token=record["fencing_token"],
        worker=record.get("worker"),
        claimed_at_ms=record.get("claimed_at_ms"),
        finished_at_ms=record.get("finished_at_ms"),
        cancel_requested="cancel_requested" in record,
        result=_result(record),
        error=JobError.model_validate_json(record["error"]) if "error" in record else None,
        webhook=_webhook(record),
        metadata=json.loads(record["metadata"]),
        traceparent=record.get("traceparent"),
    )


def _result(record: dict[str, str]) -> GenerateResult | None:
    if "result" not in record:
        return None
    content: dict[str, Any] = json.loads(record["result"])
    timings = content["timings"]
    timings |= {"queue_ms": timings["queue_ms"] + float(record["queue_ms"]), "total_ms": float(record["total_ms"])}
    return GenerateResult.model_validate(content)


def _webhook(record: dict[str, str]) -> WebhookState | None:
    if "webhook_url" not in record:
        return None
    return WebhookState(
        url=record["webhook_url"],
        status=record.get("webhook_status", "waiting"),
        attempts=int(record["webhook_attempts"]),
        last_error=record.get("webhook_error"),
    )
