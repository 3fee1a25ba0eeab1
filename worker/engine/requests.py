"""What engines share: what is asked of a request before it is admitted, when a row ends, units libraries want."""

from dataclasses import dataclass

from common.errors import PromptTooLongError, RequestError
from common.jobs import GenerateRequest
from worker.engine.base import EngineRequest, FinishReason, Sampling

MAX_TEMPERATURE = 2.0
# Below these, float32 overflows or becomes 0; the native engine takes the same temperatures as greedy.
MIN_TEMPERATURE = 1e-5
MIN_TOP_P = 1e-6
# Libraries take seeds as signed 64-bit numbers.
_SEED_MASK = (1 << 63) - 1
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much an engine may use; `cache_bytes` are keys and values, `threads` None follows the CPU quota."""

    max_rows: int
    max_row_tokens: int
    cache_bytes: int
    threads: int | None = None


def sampling_of(request: GenerateRequest) -> Sampling:
    """Return how a request's tokens are chosen, tiny values made such that every engine can compute with them."""
    temperature = 0.0 if 0.0 < request.temperature < MIN_TEMPERATURE else request.temperature
    top_p = MIN_TOP_P if 0.0 < request.top_p < MIN_TOP_P else request.top_p
    return Sampling(temperature, top_p, request.top_k, request.seed)


def check_request(request: EngineRequest, max_row_tokens: int, vocabulary: int) -> None:
    """Raise RequestError where a row can never run: what is wrong, which value, which field."""
    prompt = request.prompt_token_ids
    if not prompt:
        raise RequestError("The prompt is empty.", "prompt_token_ids")
    if request.max_tokens < 1:
        raise RequestError(f"max_tokens is {request.max_tokens}; it must be at least 1.", "max_tokens")
    if len(prompt) + request.max_tokens > max_row_tokens:
        raise PromptTooLongError(len(prompt), request.max_tokens, max_row_tokens, "max_tokens")
    if min(prompt) < 0 or max(prompt) >= vocabulary:
        wrong = next(token for token in prompt if not 0 <= token < vocabulary)
        raise RequestError(f"Token id {wrong} is outside the vocabulary of {vocabulary} tokens.", "prompt_token_ids")
    sampling = request.sampling
    if not 0.0 <= sampling.temperature <= MAX_TEMPERATURE:
        raise RequestError(f"temperature is {sampling.temperature}; it must be 0 to {MAX_TEMPERATURE}.", "temperature")
    if not 0.0 < sampling.top_p <= 1.0:
        raise RequestError(f"top_p is {sampling.top_p}; it must be above 0 and at most 1.", "top_p")
    if not 0 <= sampling.top_k < 1 << 31:
        raise RequestError(f"top_k is {sampling.top_k}; it must not be negative.", "top_k")


def finish_reason(request: EngineRequest, token_id: int, made: int) -> FinishReason | None:
    """Return why a row ends with its latest token, the `made`-th; None where it goes on."""
    if token_id in request.stop_token_ids:
        return FinishReason.STOP
    return FinishReason.LENGTH if made >= request.max_tokens else None


def library_seed(sampling: Sampling) -> int:
    """Return the row's seed as libraries take it: not negative, below 2^63."""
    return sampling.seed & _SEED_MASK


def whole_gib(size_bytes: int) -> int:
    """Return a size in whole gibibytes, at least one, as libraries take the size of their cache."""
    return max(1, -(-size_bytes // _GIB))
