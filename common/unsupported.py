"""Chat parameters that this service cannot honour: refused by name, unless their value changes nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from common.errors import UnsupportedParameterError


class Unsupported(NamedTuple):
    """The values of a parameter that change nothing beside null, and what to do instead of any other."""

    harmless: tuple[Any, ...]
    advice: str


_NO_TOOLS = "This service calls no tools; put what the model needs into the messages"
_NO_AUDIO = "Answers are text"
_NO_PENALTY = "Only 0 is possible; choose with `temperature` and `top_p`"
_NO_LOGPROBS = "Token probabilities are not given out"

UNSUPPORTED: Mapping[str, Unsupported] = {
    "audio": Unsupported((), _NO_AUDIO),
    "frequency_penalty": Unsupported((0,), _NO_PENALTY),
    "function_call": Unsupported(("none",), _NO_TOOLS),
    "functions": Unsupported(([],), _NO_TOOLS),
    "logit_bias": Unsupported(({},), "Tokens cannot be made likelier or less likely"),
    "logprobs": Unsupported((False,), _NO_LOGPROBS),
    "modalities": Unsupported((["text"],), _NO_AUDIO),
    "moderation": Unsupported((), "Nothing is moderated here"),
    "n": Unsupported((1,), "One request gives one answer; send several requests, they share a batch"),
    "parallel_tool_calls": Unsupported((True, False), _NO_TOOLS),
    "prediction": Unsupported((), "Leave it out"),
    "presence_penalty": Unsupported((0,), _NO_PENALTY),
    "prompt_cache_options": Unsupported((), "Shared beginnings of prompts are cached without being asked"),
    "prompt_cache_retention": Unsupported(("in_memory",), "Prompts are cached in memory only"),
    "reasoning_effort": Unsupported(("none",), "The model answers at once"),
    "response_format": Unsupported(({"type": "text"},), 'Only {"type": "text"} is possible'),
    "service_tier": Unsupported(("auto", "default"), "There is one tier; use /v1/batches for bulk work"),
    "store": Unsupported((False,), "Answers are kept for a limited time as jobs, and nowhere else"),
    "tool_choice": Unsupported(("none",), _NO_TOOLS),
    "tools": Unsupported(([],), _NO_TOOLS),
    "top_logprobs": Unsupported((0,), _NO_LOGPROBS),
    "verbosity": Unsupported(("medium",), "Ask for a short or long answer in the messages, and set `max_tokens`"),
    "web_search_options": Unsupported((), "This service reaches no network"),
}
UNSUPPORTED_IN_MESSAGES: Mapping[str, Unsupported] = {
    "annotations": Unsupported(([],), "Leave it out"),
    "audio": Unsupported((), _NO_AUDIO),
    "function_call": Unsupported((), _NO_TOOLS),
    "name": Unsupported((), "The model is not told who speaks beside the role; write the name into the content"),
    "refusal": Unsupported((), "Put the text into `content`"),
    "tool_calls": Unsupported(([],), _NO_TOOLS),
}
_OTHER_ROLES = frozenset({"tool", "function"})
_OTHER_PARTS = frozenset({"image_url", "input_audio", "file", "refusal"})


def without_unsupported(body: Any) -> Any:
    """Return a chat request's body without parameters whose value changes nothing.

    Raises UnsupportedParameterError for the first one that would have to be honoured; whatever else is wrong with the
    body is left for its model to find.
    """
    if not isinstance(body, dict):
        return body
    kept = _without(body, UNSUPPORTED, "")
    messages = kept.get("messages")
    if isinstance(messages, list):
        kept["messages"] = [_message(message, f"messages.{number}") for number, message in enumerate(messages)]
    return kept


def _message(message: Any, path: str) -> Any:
    if not isinstance(message, dict):
        return message
    role = message.get("role")
    if isinstance(role, str) and role in _OTHER_ROLES:
        raise _refused(f"{path}.role", role, _NO_TOOLS)
    parts = message.get("content")
    for number, part in enumerate(parts if isinstance(parts, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind in _OTHER_PARTS:
            raise _refused(f"{path}.content.{number}.type", kind, "Only parts of type text are read")
    return _without(message, UNSUPPORTED_IN_MESSAGES, f"{path}.")


def _without(fields: Mapping[str, Any], table: Mapping[str, Unsupported], path: str) -> dict[str, Any]:
    for name, value in fields.items():
        if name in table and not _changes_nothing(value, table[name].harmless):
            raise _refused(f"{path}{name}", value, table[name].advice)
    return {name: value for name, value in fields.items() if name not in table}


def _changes_nothing(value: Any, harmless: tuple[Any, ...]) -> bool:
    # True equals 1 in Python, but not on the wire.
    return value is None or any(
        value == known and isinstance(value, bool) == isinstance(known, bool) for known in harmless
    )


def _refused(path: str, value: Any, advice: str) -> UnsupportedParameterError:
    shown = repr(value) if isinstance(value, str | int | float) else "this value"
    return UnsupportedParameterError(f"{path}: {shown[:80]} is not supported. {advice}.", path)
