"""Finished jobs as OpenAI clients read them: a chat.completion, or the chunks of a stream."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from common.jobs import GenerateResult, Job, Timings

FinishReason = Literal["stop", "length"]
END_OF_STREAM = "[DONE]"


class PromptTokensDetails(BaseModel):
    """How the prompt's tokens were had."""

    cached_tokens: int = Field(description="Taken from the prefix cache.")


class Usage(BaseModel):
    """Tokens read and made."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class AnswerMessage(BaseModel):
    """The assistant's turn; send it back as it is to go on with the conversation."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: FinishReason


class Origin(BaseModel):
    """What OpenAI's format has no place for: the job behind the answer, and its timings."""

    job_id: str
    timings: Timings


class ChatCompletion(BaseModel):
    """An answer in OpenAI's format; `financellm` is this service's addition."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Unix seconds of the job's acceptance.")
    model: str = Field(description="The name that was asked for.")
    system_fingerprint: str = Field(description="Engine and model revision: equal ones give equal greedy answers.")
    choices: list[Choice]
    usage: Usage
    financellm: Origin


def chat_completion(job: Job, result: GenerateResult, model: str) -> ChatCompletion:
    """Return a succeeded job and its result as the completion of a request that named `model`."""
    return ChatCompletion(
        id=completion_id(job.id),
        created=job.created_at_ms // 1000,
        model=model,
        system_fingerprint=_fingerprint(result.timings),
        choices=[Choice(message=AnswerMessage(content=result.text), finish_reason=_finish_reason(result))],
        usage=_usage(result.timings),
        financellm=Origin(job_id=job.id, timings=result.timings),
    )


def completion_id(job_id: str) -> str:
    """Return the id of a job's completion."""
    return f"chatcmpl-{job_id.removeprefix('job_')}"


@dataclass(frozen=True, slots=True)
class Chunks:
    """Writes the chunks of one stream, each a JSON text."""

    job_id: str
    created_at_ms: int
    model: str
    include_usage: bool

    def opening(self) -> str:
        """Return the first chunk: who speaks."""
        return self._chunk({"role": "assistant", "content": ""}, None, {"financellm": {"job_id": self.job_id}})

    def text(self, delta: str) -> str:
        """Return a chunk with more text."""
        return self._chunk({"content": delta}, None, {})

    def closing(self, result: GenerateResult) -> str:
        """Return the chunk that tells why the answer ended, with the timings."""
        added = {
            "system_fingerprint": _fingerprint(result.timings),
            "financellm": Origin(job_id=self.job_id, timings=result.timings).model_dump(mode="json"),
        }
        return self._chunk({}, _finish_reason(result), added)

    def usage(self, result: GenerateResult) -> str:
        """Return the chunk of usage, which has no choices."""
        return self._json({"choices": [], "usage": _usage(result.timings).model_dump()})

    def _chunk(self, delta: dict[str, str], finish_reason: FinishReason | None, added: dict[str, Any]) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        # Clients that asked for usage expect the field in every chunk.
        usage = {"usage": None} if self.include_usage else {}
        return self._json({"choices": [choice], **usage, **added})

    def _json(self, fields: dict[str, Any]) -> str:
        head = {
            "id": completion_id(self.job_id),
            "object": "chat.completion.chunk",
            "created": self.created_at_ms // 1000,
            "model": self.model,
        }
        return json.dumps(head | fields, separators=(",", ":"))


def _usage(timings: Timings) -> Usage:
    return Usage(
        prompt_tokens=timings.prompt_tokens,
        completion_tokens=timings.completion_tokens,
        total_tokens=timings.prompt_tokens + timings.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=timings.cached_prompt_tokens),
    )


def _fingerprint(timings: Timings) -> str:
    return f"{timings.engine}-{timings.model_revision}"


def _finish_reason(result: GenerateResult) -> FinishReason:
    return "length" if result.finish_reason == "length" else "stop"
