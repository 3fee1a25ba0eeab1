"""Tells receivers that their job ended, as Standard Webhooks says, until they answer 2xx.

Protocol: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

from common import operations
from common.errors import WebhookTargetError
from common.jobs import Job
from common.name_lookups import NameLookups
from common.operations import Operation
from common.store import JobStore
from common.telemetry import get_logger, job_context
from common.webhook_targets import parse_target
from worker.settings import WorkerSettings

logger = get_logger("webhooks")

MOST_A_ROUND = 32
JITTER = 0.2
GONE = 410
# What a delivery may take beyond its time limit before another worker tries the same notification.
SLACK_S = 20.0
USER_AGENT = "FinanceLLM-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a receiver did not get its notification, and whether trying again is pointless."""

    reason: str
    final: bool = False


class WebhookSender:
    """Delivers due notifications, those of one round at the same time, each within a time limit.

    The name in a target may resolve to another address at each look-up, so the connection goes to the address that was
    checked, with the name kept for the Host header and for TLS.
    """

    def __init__(self, store: JobStore, settings: WorkerSettings) -> None:
        self._store = store
        self._signers = tuple(Webhook(secret) for secret in settings.webhook_secrets)
        self._delays_s = settings.webhook_delays_s
        self._timeout_s = settings.webhook_timeout_s
        self._policy = settings.webhook_policy
        self._names = NameLookups()

    def round(self) -> None:
        """Try every notification that is due; raises UnavailableError."""
        hide_ms = int(1000 * (self._timeout_s + SLACK_S))
        due = self._store.run(operations.webhooks_due(MOST_A_ROUND, hide_ms))
        if not due:
            return
        for job, failure in zip(due, asyncio.run(self._deliver_all(due)), strict=True):
            with job_context(job.id):
                self._store.run(self._record(job, failure))

    async def _deliver_all(self, jobs: Sequence[Job]) -> list[Failure | None]:
        limits = httpx.Limits(max_keepalive_connections=0)
        # No proxies and no redirects: either would reach addresses that were not checked.
        async with httpx.AsyncClient(
            timeout=self._timeout_s, follow_redirects=False, trust_env=False, limits=limits
        ) as client:
            return await asyncio.gather(*(self._deliver(client, job) for job in jobs))

    async def _deliver(self, client: httpx.AsyncClient, job: Job) -> Failure | None:
        if job.webhook is None:
            return Failure("the job names no webhook", final=True)
        if not self._signers:
            return Failure("the worker has no FINANCELLM_WEBHOOK_SECRET to sign with", final=True)
        body = json.dumps(payload(job), separators=(",", ":"))
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._post(client, job.webhook.url, body, self._headers(job, body))
        except WebhookTargetError as error:
            return Failure(error.message)
        except TimeoutError:
            return Failure(f"no answer within {self._timeout_s:g} s")
        except Exception as error:
            # What a receiver answers may raise more than httpx.HTTPError, and must not end its neighbours' deliveries.
            return Failure(f"{type(error).__name__}: {error}")
        if 200 <= status < 300:
            return None
        return Failure(f"the receiver answered {status}", final=status == GONE)

    async def _post(self, client: httpx.AsyncClient, url: str, body: str, headers: dict[str, str]) -> int:
        target = parse_target(url, self._policy)
        addresses = await self._names.allowed_addresses(target, self._policy)
        host = f"[{target.host}]" if ":" in target.host else target.host
        request = client.build_request(
            "POST",
            httpx.URL(url).copy_with(host=addresses[0]),
            content=body,
            headers={**headers, "Host": f"{host}:{target.port}"},
            extensions={"sni_hostname": target.host},
        )
        response = await client.send(request, stream=True)
        # The body of the answer says nothing we need, and could be endless.
        await response.aclose()
        return response.status_code

    def _headers(self, job: Job, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        message_id = f"msg_{job.id}"
        return {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(message_id, now, body) for signer in self._signers),
        }

    def _record(self, job: Job, failure: Failure | None) -> Operation[None]:
        attempts = job.webhook.attempts if job.webhook else 1
        if failure is None:
            logger.info("webhook delivered", attempts=attempts)
            return operations.webhook_delivered(job.id)
        if failure.final or attempts > len(self._delays_s):
            logger.warning("webhook given up", attempts=attempts, reason=failure.reason)
            return operations.webhook_failed(job.id, failure.reason)
        delay_s = self._delays_s[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        logger.info("webhook will be tried again", attempts=attempts, reason=failure.reason, delay_s=round(delay_s, 1))
        return operations.webhook_later(job.id, failure.reason, int(delay_s * 1000))


def payload(job: Job) -> dict[str, Any]:
    """Return the small body of a notification; the receiver fetches the rest by its link."""
    finished_ms = job.finished_at_ms or job.created_at_ms
    data: dict[str, Any] = {"id": job.id, "status": job.status, "metadata": job.metadata, "link": f"/v1/jobs/{job.id}"}
    if job.error is not None:
        data["error"] = {"code": job.error.code, "message": job.error.message}
    return {
        "type": f"job.{job.status}",
        "timestamp": datetime.fromtimestamp(finished_ms / 1000, UTC).isoformat().replace("+00:00", "Z"),
        "data": data,
    }
