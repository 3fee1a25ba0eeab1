"""What a question asks for: companies, periods, parts of a report, and the words reports use for it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from common.concepts import REASON, concepts_in, without_instructions
from common.page_kinds import PageKind
from worker.retrieval.terms import stem, terms

_YEAR = re.compile(r"(?<!\d)(?:FY\s?)?((?:19|20)\d\d)(?!\d)", re.I)
_SHORT_YEAR = re.compile(r"\bFY\s?['’]?(\d\d)(?!\d)", re.I)
_QUARTER = re.compile(r"\bQ([1-4])(?:\s?(?:of|['’]|FY)?\s?(?:FY\s?)?((?:20)?\d\d)(?!\d))?", re.I)
_QUARTER_WORD = re.compile(r"\b(first|second|third|fourth)[- ](?:fiscal[- ])?quarter\b", re.I)
_WORD = re.compile(r"[A-Za-z0-9]+(?:&[A-Za-z0-9]+)*")
_POSSESSIVE = re.compile(r"['’](?:s\b)?")
_MAX_NAME_WORDS = 4
_FILLER = frozenset(
    map(
        stem,
        "fy fiscal year quarter company based data roughly please state explain useful metric like conventional mention"
        " mentioned report main major many much any did between among using use used end basis usd define"
        " defined".split(),
    )
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question as read: `topic` are its content terms, `phrases` what reports print for them, as terms."""

    text: str
    topic: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    kinds: tuple[PageKind, ...]
    years: tuple[int, ...]
    quarters: tuple[int, ...]
    asks_reason: bool


def read_question(text: str, company_names: Iterable[str] = ()) -> Question:
    """Read a question; words of `company_names` (squashed, as `name_forms` gives them) are left out of the topic."""
    core = without_instructions(text)
    years, quarters = _periods(text)
    named = frozenset(company_names)
    topic_terms = [
        term
        for term in terms(_without_names(core, named))
        if term not in _FILLER and not re.fullmatch(r"q[1-4]|\d{1,4}", term)
    ]
    found = concepts_in(core)
    return Question(
        text=text,
        topic=tuple(dict.fromkeys(topic_terms)),
        phrases=tuple(dict.fromkeys(tuple(terms(phrase)) for concept in found for phrase in concept.printed)),
        kinds=tuple(dict.fromkeys(kind for concept in found for kind in concept.kinds)),
        years=years,
        quarters=quarters,
        asks_reason=bool(REASON.search(core)),
    )


def name_forms(text: str) -> frozenset[str]:
    """Return every run of up to four words, squashed to lower case: what company aliases are looked up in."""
    words = [word.lower() for word in _WORD.findall(_POSSESSIVE.sub("", text))]
    return frozenset(
        "".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + _MAX_NAME_WORDS, len(words)) + 1)
    )


def _without_names(text: str, named: frozenset[str]) -> str:
    words = _POSSESSIVE.sub("", text).split()
    kept: list[str] = []
    at = 0
    while at < len(words):
        taken = next(
            (
                count
                for count in range(_MAX_NAME_WORDS, 0, -1)
                if "".join(_WORD.findall(" ".join(words[at : at + count]))).lower() in named
            ),
            0,
        )
        if not taken:
            kept.append(words[at])
        at += max(taken, 1)
    return " ".join(kept)


def _periods(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    years = [int(year) for year in _YEAR.findall(text)]
    years += [2000 + int(year) for year in _SHORT_YEAR.findall(text)]
    quarters: list[int] = []
    for quarter, year in _QUARTER.findall(text):
        quarters.append(int(quarter))
        if year:
            years.append(int(year) % 100 + 2000)
    order = ("first", "second", "third", "fourth")
    quarters += [order.index(word.lower()) + 1 for word in _QUARTER_WORD.findall(text)]
    return tuple(dict.fromkeys(years)), tuple(dict.fromkeys(quarters))
