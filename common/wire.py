"""What the wire models of several surfaces share: number and label types, and validation faults in words."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one kind of number: 5.0 is a whole one, "5" is none. Limits of optional numbers go before it in an
# Annotated, or pydantic describes them in words that JSON Schema does not have.
WHOLE = BeforeValidator(_whole)
WholeNumber = Annotated[int, WHOLE]
Labels = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]


class Fault(NamedTuple):
    """One field at fault: its path in the body, and why."""

    field: str
    reason: str


def faults_in_words(errors: Sequence[Mapping[str, Any]]) -> list[Fault]:
    """Return pydantic's errors as faults, in their order."""
    return [Fault(_field_path(error["loc"]), _reason(error)) for error in errors]


def _field_path(location: Sequence[Any]) -> str:
    # An optional value with limits is a union to pydantic, whose branch is no field.
    parts = [str(part) for part in location if part not in {"body", "query", "path", "header"}]
    parts = [part for part in parts if not part.startswith("constrained-")]
    return ".".join(parts)[:200] or "body"


def _reason(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "This field is not known; check its spelling. Nothing is ignored silently."
        case "missing":
            return "This field is required."
    return str(error["msg"])
