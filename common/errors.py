"""Every error the product raises on purpose, as one tree.

    FinanceLLMError
    ├── ConfigurationError          the process cannot start as it is configured
    ├── ModelFilesError             model files are missing, changed or of an unsupported kind
    ├── RequestError                the caller sent something that cannot be served
    │   ├── PromptTooLongError
    │   ├── UnsupportedParameterError
    │   ├── WebhookTargetError
    │   ├── BodyTooLargeError
    │   ├── ModelNotFoundError
    │   └── IdempotencyMismatchError
    ├── UnauthorizedError
    ├── NotFoundError
    ├── FileInUseError              a run still reads the file
    ├── QueueFullError              try again later; carries the wait
    │   ├── RateLimitedError        the caller makes too many requests
    │   ├── TooManyJobsError        the caller has too many jobs that have not ended
    │   └── TooManyStreamsError     the caller has too many event streams open
    ├── UnavailableError            a part we depend on is away
    ├── LeaseLostError              this worker no longer owns the job
    └── EngineError                 the model could not produce an answer
        ├── EngineStalledError
        └── UnparseableAnswerError

`code` is stable and shown to users; `retryable` tells whether the same request may succeed later.
"""

from typing import ClassVar


class FinanceLLMError(Exception):
    """Base of all errors raised on purpose; `message` says what was wrong, which value, and what to do."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ConfigurationError(FinanceLLMError):
    """A setting is missing or contradicts another."""

    code = "configuration_error"


class ModelFilesError(FinanceLLMError):
    """Model files are missing, do not match their hashes, or describe an unsupported model."""

    code = "model_files_error"


class RequestError(FinanceLLMError):
    """The request cannot be served as sent; `field` names the part at fault where one is."""

    code = "invalid_request"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class PromptTooLongError(RequestError):
    """Prompt plus completion exceed the model's limit; nothing is cut silently."""

    code = "prompt_too_long"

    def __init__(self, prompt_tokens: int, max_tokens: int, limit_tokens: int, field: str | None = None) -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens and max_tokens asks for {max_tokens} more; "
            f"the limit is {limit_tokens} tokens in all. Shorten the context or lower max_tokens.",
            field,
        )
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.limit_tokens = limit_tokens


class UnsupportedParameterError(RequestError):
    """A parameter that this service does not implement was set."""

    code = "unsupported_parameter"


class WebhookTargetError(RequestError):
    """A webhook address is not allowed (private, link-local, malformed, not http or https)."""

    code = "webhook_target_refused"


class BodyTooLargeError(RequestError):
    """The request body is larger or nested deeper than the limit."""

    code = "body_too_large"


class ModelNotFoundError(RequestError):
    """The request names a model that is not served here."""

    code = "model_not_found"


class IdempotencyMismatchError(RequestError):
    """An Idempotency-Key was used again with another body."""

    code = "idempotency_key_reused"


class UnauthorizedError(FinanceLLMError):
    """No valid API key came with the request."""

    code = "unauthorized"


class NotFoundError(FinanceLLMError):
    """The caller has no such object; another caller's object looks the same as none."""

    code = "not_found"


class FileInUseError(FinanceLLMError):
    """The file cannot be deleted while a run reads it."""

    code = "file_in_use"


class QueueFullError(FinanceLLMError):
    """The backlog is at its limit; `retry_after_s` comes from the measured rate."""

    code = "queue_full"
    retryable = True

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimitedError(QueueFullError):
    """The caller passed its requests a minute."""

    code = "rate_limited"


class TooManyJobsError(QueueFullError):
    """The caller has as many jobs queued or running as it may have."""

    code = "too_many_jobs"


class TooManyStreamsError(QueueFullError):
    """The caller has as many event streams open in this process as it may have."""

    code = "too_many_streams"


class UnavailableError(FinanceLLMError):
    """Redis or another part this process depends on does not answer."""

    code = "unavailable"
    retryable = True


class LeaseLostError(FinanceLLMError):
    """The job's lease passed to another worker; whatever this one computed is dropped."""

    code = "lease_lost"
    retryable = True


class EngineError(FinanceLLMError):
    """The engine failed on a row."""

    code = "engine_error"


class EngineStalledError(EngineError):
    """A step did not end within the stall limit."""

    code = "engine_stalled"
    retryable = True


class UnparseableAnswerError(EngineError):
    """The model's answer does not follow the required format, after one constrained retry."""

    code = "unparseable_answer"
