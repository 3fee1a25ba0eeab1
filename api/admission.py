"""Whether a job may be queued: its size, its webhook, and the room in the queue."""

from api.capacity import UNMEASURED_RETRY_S, Capacity, retry_after_s
from api.prompt_tokens import PromptCounter
from api.settings import ApiSettings
from common.errors import PromptTooLongError, QueueFullError, TooManyJobsError, UnavailableError
from common.jobs import GenerateRequest
from common.name_lookups import NameLookups
from common.store import AsyncJobStore
from common.submissions import NewJob, Submission
from common.turns import take_turn
from common.webhook_targets import Resolver, parse_target, resolve

PROMPT_FIELD = "context"


class Admission:
    """The checks before a job is queued and the answer when there is no room."""

    def __init__(
        self,
        settings: ApiSettings,
        store: AsyncJobStore,
        counter: PromptCounter,
        capacity: Capacity,
        resolver: Resolver = resolve,
    ) -> None:
        self._settings = settings
        self._store = store
        self._counter = counter
        self._capacity = capacity
        self._names = NameLookups(resolver)

    async def prompt_tokens(self, request: GenerateRequest, field: str = PROMPT_FIELD) -> int:
        """Count a request's prompt, which came in `field`.

        Raises PromptTooLongError if prompt and answer would not fit every live worker.
        """
        prompt_tokens = await self._counter.count(request.messages)
        workers = (await self._capacity.overview()).workers
        limits = [worker.max_row_tokens for worker in workers if not worker.draining]
        limit_tokens = min(self._settings.max_job_tokens, *limits) if limits else self._settings.max_job_tokens
        if prompt_tokens + request.max_tokens > limit_tokens:
            raise PromptTooLongError(prompt_tokens, request.max_tokens, limit_tokens, field)
        return prompt_tokens

    async def check_webhook(self, url: str) -> None:
        """Raise WebhookTargetError unless the address may be called."""
        policy = self._settings.webhook_policy
        target = parse_target(url, policy)
        if not policy.allow_private:
            await self._names.allowed_addresses(target, policy)

    async def queue_full(self, job: NewJob, answer: Submission) -> QueueFullError:
        """Return the refusal of a job that found no room, with the time from which room is kept for it."""
        limit = self._settings.max_backlog_tokens
        wait_s = await self._turn_s(job, answer)
        return QueueFullError(
            f"{answer.backlog_tokens} tokens are queued in lane {job.lane}; with the {job.cost_tokens} of this job and "
            f"those of clients refused before, the limit of {limit} would be passed. Try again in {wait_s} s.",
            wait_s,
        )

    async def too_many_jobs(self, job: NewJob) -> TooManyJobsError:
        """Return the refusal of a job whose caller has enough of them, with the time one of its size takes."""
        rate = await self.tokens_per_second()
        wait_s = retry_after_s(job.cost_tokens / rate) if rate else UNMEASURED_RETRY_S
        most = self._settings.limits_of(job.caller).open_jobs
        return TooManyJobsError(
            f"{most} of your jobs are queued or running, and you may have no more. Try again in {wait_s} s, when one "
            "may have ended.",
            wait_s,
        )

    async def tokens_per_second(self) -> float | None:
        """Return the measured rate of all live workers, None while there is none."""
        try:
            return (await self._capacity.overview()).tokens_per_second
        except UnavailableError:
            return None

    async def _turn_s(self, job: NewJob, answer: Submission) -> int:
        rate = await self.tokens_per_second()
        if not rate or answer.turn is None:
            return UNMEASURED_RETRY_S
        return await self._store.run(take_turn(job.lane, answer.turn, self._settings.max_backlog_tokens, rate))
