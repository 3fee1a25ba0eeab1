"""A column of a template: what to ask and what sort of answer is expected."""

from dataclasses import dataclass
from enum import StrEnum


class ColumnType(StrEnum):
    """The type of a column's values."""

    AMOUNT = "amount"
    PERCENT = "percent"
    TEXT = "text"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its name, which is also its question's id."""

    name: str
    type: ColumnType
    question: str
