"""Ways in which a model gets a number wrong; each takes an answer's template and number and returns both, corrupted."""

import random
import re
from collections.abc import Callable

TARGET = "{n}"
Corrupted = tuple[str, str] | None
_SCALE = re.compile(r"\b(thousand|million|billion)\b")
_OTHER_SCALE = {"thousand": "million", "million": "billion", "billion": "million"}


def digit(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Change one digit."""
    places = [place for place, char in enumerate(number) if char.isdigit()]
    place = random_source.choice(places)
    other = random_source.choice([char for char in "123456789" if char != number[place]])
    return template, number[:place] + other + number[place + 1 :]


def swap(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Swap two neighbouring digits."""
    places = [
        place
        for place in range(len(number) - 1)
        if number[place].isdigit()
        and number[place + 1].isdigit()
        and number[place] != number[place + 1]
        and number[place + 1] != "0"
    ]
    if not places:
        return None
    place = random_source.choice(places)
    return template, number[:place] + number[place + 1] + number[place] + number[place + 2 :]


def scale(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Name another scale."""
    found = _SCALE.search(number)
    if found is None:
        return None
    return template, number[: found.start()] + _OTHER_SCALE[found[1]] + number[found.end() :]


def sign(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Turn the sign: put a minus to a positive number, or call a rise what fell."""
    if "decrease" in template:
        return template.replace("decrease", "increase"), number
    return (template, number[1:]) if number.startswith("-") else (template, f"-{number}")


def percent(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Make money of a percent, and a percent of money."""
    if number.endswith("%"):
        return template, f"${number.rstrip('%').lstrip('-').strip()} million"
    return template, f"{_SCALE.sub('', number).replace('$', '').strip()}%"


def shift(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Move the decimal point by one place."""
    found = re.search(r"\d[\d,]*(?:\.\d+)?", number)
    if found is None:
        return None
    whole, _, part = found[0].replace(",", "").partition(".")
    moved = f"{whole}{part[:1] or '0'}" + (f".{part[1:]}" if part[1:] else "")
    return template, number[: found.start()] + f"{int(moved.partition('.')[0]):,}" + "".join(
        moved.partition(".")[1:]
    ) + number[found.end() :]


def last_digit(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Be one off in the last digit."""
    places = [place for place, char in enumerate(number) if char.isdigit()]
    place = places[-1]
    other = "1" if number[place] == "0" else "8" if number[place] == "9" else str(int(number[place]) + 1)
    return template, number[:place] + other + number[place + 1 :]


def invented(template: str, number: str, random_source: random.Random) -> Corrupted:
    """Give a number of the same form that stands nowhere."""
    return template, re.sub(r"\d", lambda _: random_source.choice("123456789"), number)


CORRUPTIONS: dict[str, Callable[[str, str, random.Random], Corrupted]] = {
    "digit": digit,
    "swapped digits": swap,
    "scale": scale,
    "sign": sign,
    "unit": percent,
    "decimal point": shift,
    "last digit": last_digit,
    "invented": invented,
}
