"""The `error` member of problem documents, which is what OpenAI clients read of them."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

# The names that OpenAI's clients and the programs on top of them look for; all other codes are the same.
_CODES: Mapping[str, str] = {
    "prompt_too_long": "context_length_exceeded",
    "unauthorized": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
}
_TYPES: Mapping[int, str] = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class OpenAIError(BaseModel):
    """The same problem in OpenAI's words."""

    message: str
    type: str = Field(
        description="`invalid_request_error`, `server_error`, or one of the status, as OpenAI names them."
    )
    param: str | None = Field(description="The first field at fault.")
    code: str


def openai_error(status: int, code: str, message: str, param: str | None) -> OpenAIError:
    """Return a problem as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    return OpenAIError(message=message, type=kind, param=param, code=_CODES.get(code, code))
