"""Where evaluation gets its outputs from: a model loaded here, or the served API."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import httpx

from common.errors import ConfigurationError, UnavailableError
from common.finance_tasks import Task
from common.model_files import MANIFEST_NAME, ModelManifest
from common.prompts import (
    ANALYST_SYSTEM,
    FIGURES_SYSTEM,
    FOLLOW_UP_MARK,
    QUESTION_MARK,
    SENTIMENT_SYSTEM,
    Message,
    Role,
)
from common.tokens import ChatTokenizer

_TASKS = {ANALYST_SYSTEM: Task.TEXT, FIGURES_SYSTEM: Task.FIGURES, SENTIMENT_SYSTEM: Task.SENTIMENT}
_WAIT_S = 30
_CLIENTS = 32
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages to answer; `prefix` is text the answer must begin with (for the constrained second try).

    `context` is the whole page that a user would send, None where the messages hold all there is.
    """

    messages: tuple[Message, ...]
    prefix: str = ""
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """One output, prefix included, with the tokens of its prompt and of what was generated.

    `retried` tells that it is a second try already.
    """

    text: str
    prompt_tokens: int
    completion_tokens: int
    retried: bool = False


class Generator(Protocol):
    """Answers prompts greedily, in order."""

    engine: str
    model_revision: str
    can_continue: bool

    def generate(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Generated]:
        """Yield one output per prompt, in the prompts' order."""
        ...


class LocalGenerator:
    """Greedy decoding with transformers, rows of like length together; needs the `training` extra.

    The number format is bfloat16, or float32 where this machine multiplies that faster.
    """

    engine = "transformers"
    can_continue = True

    def __init__(self, model_dir: Path, adapter_dir: Path | None = None, batch_rows: int = 8) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        from training.precision import faster_on_cpu

        self._torch = torch
        self._tokenizer = ChatTokenizer.from_file(model_dir / "tokenizer.json")
        model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=faster_on_cpu().dtype, use_safetensors=True)
        if adapter_dir is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter_dir).merge_and_unload()
        self._model = model.train(False)
        self._batch_rows = batch_rows
        self.model_revision = _revision(model_dir) + (f"+{adapter_dir.name}" if adapter_dir else "")

    def generate(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Generated]:
        """Yield the outputs in order; they are computed in batches sorted by length."""
        encoded = [
            self._tokenizer.encode_chat(prompt.messages) + self._tokenizer.encode_text(prompt.prefix)
            for prompt in prompts
        ]
        order = sorted(range(len(prompts)), key=lambda number: len(encoded[number]))
        outputs: dict[int, Generated] = {}
        for start in range(0, len(order), self._batch_rows):
            batch = order[start : start + self._batch_rows]
            for number, ids in zip(batch, self._batch([encoded[number] for number in batch], max_tokens), strict=True):
                text = prompts[number].prefix + self._tokenizer.decode(ids)
                outputs[number] = Generated(text, len(encoded[number]), len(ids))
        yield from (outputs[number] for number in range(len(prompts)))

    def _batch(self, rows: Sequence[list[int]], max_tokens: int) -> list[list[int]]:
        torch = self._torch
        width = max(map(len, rows))
        stop = sorted(self._tokenizer.stop_token_ids)
        ids = torch.full((len(rows), width), stop[0])
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for at, row in enumerate(rows):
            ids[at, width - len(row) :] = torch.tensor(row)
            mask[at, width - len(row) :] = 1
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                repetition_penalty=1.0,
                eos_token_id=stop,
                pad_token_id=stop[0],
            )
        return [_until(row, stop) for row in found[:, width:].tolist()]


class ServedGenerator:
    """Sends each question with its whole context as a job of the bulk lane: what is scored is what users get.

    Evidence, prompt and second try are the service's own; the output is the line that the answer was read from.
    """

    can_continue = False

    def __init__(self, url: str, api_key: str | None, transport: httpx.BaseTransport | None = None) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(_WAIT_S + 30.0, connect=5.0),
            transport=transport,
            limits=httpx.Limits(max_connections=_CLIENTS),
            trust_env=False,
        )
        self.engine = "unknown"
        self.model_revision = "unknown"

    def generate(self, prompts: Sequence[Prompt], max_tokens: int) -> Iterator[Generated]:
        """Yield the jobs' outputs in order; a failed job raises UnavailableError with its reason."""
        bodies = [job_body(prompt, max_tokens) for prompt in prompts]
        with ThreadPoolExecutor(_CLIENTS) as pool:
            yield from pool.map(self._answer, bodies)

    def _answer(self, body: dict[str, Any]) -> Generated:
        key = f'"{uuid.uuid4()}"'
        job = self._patiently(lambda: self._http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key}))
        path = f"/v1/jobs/{job['id']}"
        while job["status"] in ("queued", "running"):
            job = self._patiently(lambda: self._http.get(path, params={"wait": _WAIT_S}))
        if job["status"] != "succeeded":
            reason = (job.get("error") or {}).get("message", "no reason given")
            raise UnavailableError(f"Job {job['id']} ended as {job['status']}: {reason}")
        timings = job["result"]["timings"]
        self.engine, self.model_revision = timings["engine"], timings["model_revision"]
        # Text without sources has no answer taken apart.
        answer = job["result"].get("answer") or {"line": job["result"]["text"], "retried": False}
        return Generated(answer["line"], timings["prompt_tokens"], timings["completion_tokens"], answer["retried"])

    def _patiently(self, send: Callable[[], httpx.Response]) -> dict[str, Any]:
        """Send again while the queue is full or the service is away, as Retry-After says."""
        reason = "no answer"
        for attempt in range(_TRIES):
            try:
                response = send()
            except httpx.TransportError as error:
                reason = str(error)
                time.sleep(min(5.0, 0.2 * 2**attempt))
                continue
            if response.status_code in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
                reason = f"HTTP {response.status_code}"
                time.sleep(float(response.headers.get("Retry-After", "1")))
                continue
            if response.is_error:
                raise ConfigurationError(f"The service answered {response.status_code}: {response.text[:300]}")
            body: dict[str, Any] = response.json()
            return body
        raise UnavailableError(f"The service did not take the request in {_TRIES} tries: {reason}.")


def job_body(prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    """Return the job that asks the same as these messages."""
    system, first, *later = prompt.messages
    evidence, mark, asked = first.content.rpartition(QUESTION_MARK)
    questions = [asked, *(turn.content.removeprefix(FOLLOW_UP_MARK) for turn in later if turn.role is Role.USER)]
    lines = [turn.content for turn in later if turn.role is Role.ASSISTANT]
    body: dict[str, Any] = {
        "task": _TASKS[system.content],
        "question": questions[-1],
        "max_tokens": max_tokens,
        "lane": "bulk",
    }
    if lines:
        turns = zip(questions[:-1], lines, strict=True)
        body["earlier"] = [{"question": question, "line": line} for question, line in turns]
    context = evidence if prompt.context is None and mark else prompt.context
    return body if context is None else {**body, "context": context}


def _until(ids: list[int], stop: Sequence[int]) -> list[int]:
    ends = [at for at, token in enumerate(ids) if token in stop]
    return ids[: ends[0]] if ends else ids


def _revision(model_dir: Path) -> str:
    return ModelManifest.read(model_dir).revision if (model_dir / MANIFEST_NAME).is_file() else "unknown"
