"""Which questions ask for an amount per share, which statements print in plain currency whatever their caption says."""

import re
from collections.abc import Sequence

_AMOUNT = r"(?:\bper (?:\w+ ){0,2}(?:share|unit)\b|\bEPS\b)"
_COUNTED = r"(?:shares|units|securities|options|warrants|awards|[SP]ARs|[RP]SUs|AD[SR]s)\b"
# No preposition, so that `the average price of shares` and `basic EPS of Class A shares` are no counts.
_WORDS = r"(?:(?!(?:per|eps|of|for|on|in)\b)[\w’'-]+,? ){0,6}?"
_EARNINGS = r"(?:(?:the|basic|diluted|and|or|net|income|earnings|loss) ){0,6}?"
_NAMES_AMOUNT = re.compile(_AMOUNT, re.I)
# What is asked for where a question names an amount per share only beside it.
_ASKS_OTHER = re.compile(
    "|".join(
        (
            rf"\b(?:how many (?:of the )?|number of ){_WORDS}{_COUNTED}",
            rf"\b(?:average|basic|diluted?|(?:anti-?)?dilutive|incremental|outstanding) {_WORDS}{_COUNTED}",
            r"\b(?:used (?:in|for)|comput(?:e|ing|ation)|calculat(?:e|ing|ion)|determin(?:e|ing|ation))"
            rf" (?:[\w()/’'-]+ ){{0,6}}?{_AMOUNT}",
            rf"\b(?:(?:numerator|denominator) (?:for|of)|(?:income|earnings|loss|profit) for) {_EARNINGS}{_AMOUNT}",
            r"\bin (?:[A-Z]{2,3} |dollars |[$£€¥] ?)?(?:thousand|million|billion)s?\b",
        )
    ),
    re.I,
)
# `With an average price per share of $12, what would be the cost?` asks for what stands in its last clause.
_CLAUSE = re.compile(r"[,.] (?=(?:what|how)\b)", re.I)
# Words that name no line of a statement: `And in 2022?`, `What was the change from the year before?`
_UNNAMED = frozenset(
    "a about above after again all amount an and are as at average basic be before both but by calendar change "
    "changed class compared decrease decreased did difference diluted do does during each earlier ended ending "
    "fall fell figure first fiscal following for fourth from full go going grew grow growth had has have how in "
    "increase increased is it its last later many month months more much net next number of on one ones or over "
    "percent percentage period prior previous quarter quarters relative rise rose same second so sum than that "
    "the their them then these they third this those through to two up us value values versus vs was we were what "
    "when which while year years january february march april may june july august september october november "
    "december".split()
)
_WORD = re.compile(r"[^\W\d_]{2,}")


def asks_per_share(question: str, earlier: Sequence[str] = ()) -> bool:
    """Return whether the answer is an amount per share; a follow-up that names nothing asks for what was asked before.

    `earlier` are the questions before it, oldest first.
    """
    texts = (part for text in (question, *reversed(earlier)) for part in (_CLAUSE.split(text)[-1], text))
    asked = next(filter(_names_subject, texts), question)
    return _NAMES_AMOUNT.search(asked) is not None and _ASKS_OTHER.search(asked) is None


def _names_subject(question: str) -> bool:
    return any(word.lower() not in _UNNAMED for word in _WORD.findall(question))
