"""Chat completions over the queue: each is a job of the interactive lane that its client waits for."""

import hashlib
from contextlib import suppress

from api.admission import Admission
from api.capacity import Capacity
from api.models_view import find_model, served_models
from api.notifications import Notifications
from api.service import Accepted, ClientGone, JobService
from api.settings import ApiSettings
from api.unanswered import WaitOverError, answer_of
from common.completions import ChatCompletion, chat_completion
from common.errors import FinanceLLMError, UnavailableError
from common.jobs import Lane, new_job_id
from common.protocol import MODEL_ALIAS, ChatCompletionRequest
from common.submissions import NewJob
from common.telemetry import GatewayMetrics

PROMPT_FIELD = "messages"


class ChatService:
    """Submits chats as jobs and waits for their answers."""

    def __init__(
        self,
        settings: ApiSettings,
        jobs: JobService,
        admission: Admission,
        capacity: Capacity,
        notifications: Notifications,
        metrics: GatewayMetrics,
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._admission = admission
        self._capacity = capacity
        self._notifications = notifications
        self._metrics = metrics

    async def submit(self, caller: str, chat: ChatCompletionRequest, idempotency_key: str | None) -> Accepted:
        """Queue a chat or raise what speaks against it."""
        try:
            return await self._submit(caller, chat, idempotency_key)
        except FinanceLLMError as error:
            self._metrics.refusals.labels(error.code).inc()
            raise

    async def complete(
        self, caller: str, chat: ChatCompletionRequest, idempotency_key: str | None, gone: ClientGone
    ) -> ChatCompletion:
        """Return a chat's answer.

        A job whose client went away, or finds this process going down, is cancelled, unless an Idempotency-Key lets
        the client ask for it again. Raises WaitOverError when it takes too long, and what speaks against the chat.
        """
        job_id = (await self.submit(caller, chat, idempotency_key)).described.job.id
        try:
            job = (await self._jobs.wait(caller, job_id, self._settings.chat_wait_s, gone)).job
        except UnavailableError:
            await self._let_go(caller, job_id, idempotency_key)
            raise
        if job.status.is_terminal:
            return chat_completion(job, answer_of(job), chat.model)
        if self._notifications.stopping or await gone():
            await self._let_go(caller, job_id, idempotency_key)
            raise UnavailableError("This process is going down.")
        raise WaitOverError(job_id, self._settings.chat_wait_s)

    async def abandon(self, caller: str, job_id: str) -> None:
        """Cancel a job that nobody waits for any more; one that has ended stays as it is."""
        with suppress(FinanceLLMError):
            await self._jobs.cancel(caller, job_id)

    async def _let_go(self, caller: str, job_id: str, idempotency_key: str | None) -> None:
        if idempotency_key is None:
            await self.abandon(caller, job_id)

    async def _submit(self, caller: str, chat: ChatCompletionRequest, idempotency_key: str | None) -> Accepted:
        # Looked at first: once a job is accepted, a refusal would invite the client to ask for it again.
        self._notifications.check_room()
        if chat.model != MODEL_ALIAS:
            find_model(await served_models(self._settings.model_path, self._capacity), chat.model)
        request = chat.generate_request()
        prompt_tokens = await self._admission.prompt_tokens(request, PROMPT_FIELD)
        return await self._jobs.accept(
            NewJob(
                id=new_job_id(),
                lane=Lane.INTERACTIVE,
                caller=caller,
                flow=caller,
                request=request,
                prompt_tokens=prompt_tokens,
                metadata=chat.metadata,
                idempotency_key=idempotency_key,
                body_hash=_body_hash(chat) if idempotency_key is not None else "",
            )
        )


def _body_hash(chat: ChatCompletionRequest) -> str:
    return hashlib.sha256(f"chat {chat.model_dump_json()}".encode()).hexdigest()
