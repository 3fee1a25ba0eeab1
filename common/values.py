"""The base of records that are stored or sent: immutable, and strict about their fields."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable record; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
