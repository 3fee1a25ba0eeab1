"""Words of pages and questions as index terms: lower case, light stems, figures as they stand."""

import re

_WORD = re.compile(r"[a-z]+(?:&[a-z]+)?|\d+(?:[.,]\d+)*")
_US = re.compile(r"\bu\.\s?s\.(?:\s?a\.)?|\busa\b")
_APOSTROPHE = re.compile(r"['’](?:s\b)?")
_STOP_WORDS = frozenset(
    "a about above an and any are as at be been being below by can could did do does for from further had has have her"
    " his how if in into is it its may more of on or our own shall should so such than that the their them then there"
    " these they this those through to under until up was we were what when where which while who whom why will with"
    " would you your".split()
)
_ENDINGS = (
    ("ational", "ate"),
    ("ization", "ize"),
    ("ments", "ment"),
    ("ities", "ity"),
    ("ies", "y"),
    ("sses", "ss"),
    ("ings", ""),
    ("ing", ""),
    ("ions", "ion"),
    ("ed", ""),
    ("es", "e"),
    ("s", ""),
)
_MIN_STEM = 3


def terms(text: str) -> list[str]:
    """Return the text's terms in order, stop words left out."""
    words = _WORD.findall(_APOSTROPHE.sub("", _US.sub("us", text.lower())))
    return [stem(word) for word in words if word not in _STOP_WORDS]


def stem(word: str) -> str:
    """Return the word without its plural or verb ending; figures and short words stay as they are."""
    if len(word) <= _MIN_STEM or word[0].isdigit() or word.endswith("ss"):
        return word
    for ending, replacement in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _MIN_STEM:
            base = word[: -len(ending)] + replacement
            break
    else:
        base = word
    if len(base) > _MIN_STEM and base[-1] == base[-2] and base[-1] not in "lsz":
        base = base[:-1]  # stopped -> stopp -> stop
    return base[:-1] if base.endswith("e") and len(base) > _MIN_STEM else base
