"""Words with their places on a page."""

from dataclasses import dataclass


@dataclass(slots=True)
class Word:
    """A word with its box in points, the origin at the bottom left of the page."""

    text: str
    left: float
    right: float
    bottom: float
    top: float


Line = list[Word]
