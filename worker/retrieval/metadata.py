"""What a document says of itself: company, fiscal periods, form; from its file name and its first pages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from common.pages import Document

_FIRST_PAGES = 3
_LEGAL_SUFFIXES = frozenset(
    "inc incorporated corp corporation co company companies ltd limited plc llc lp sa ag nv se the group holdings"
    " holding subsidiaries and of".split()
)
# First words that many companies share do not name one.
_COMMON_FIRST_WORDS = frozenset(
    "american united general national international first global new north south east west central royal public best"
    " standard applied advanced western southern northern us".split()
)
_REGISTRANT = re.compile(r"exact name of (?:the )?registrant", re.I)
_FISCAL_YEAR_END = re.compile(
    r"(?:fiscal )?year ended:?\s+(?P<month>[A-Z][a-z]+)\s+\d{1,2},?\s+(?P<year>20\d\d|19\d\d)", re.I
)
_QUARTER_END = re.compile(
    r"quarter(?:ly period)?\s+ended:?\s+(?P<month>[A-Z][a-z]+)\s+\d{1,2},?\s+(?P<year>20\d\d|19\d\d)", re.I
)
_FISCAL_LABEL = re.compile(r"\bfiscal (?:year )?(20\d\d)\b", re.I)
_QUARTER_WORDS = re.compile(r"\b(first|second|third|fourth)[- ](?:fiscal[- ])?quarter", re.I)
_FORM = re.compile(r"\bform\s+(10-?k|10-?q|8-?k|20-?f|6-?k|40-?f)\b", re.I)
_TICKER = re.compile(
    r"\(?(?:NYSE|NASDAQ|Nasdaq)(?: [A-Z]\w+)*:\s*([A-Z]{1,5})\b"
    r"|\b([A-Z]{2,5})\b(?=[\s|]*(?:The )?(?:New York Stock Exchange|Nasdaq|NASDAQ|NYSE))"
)
_RESULTS = re.compile(r"\bresults\b.{0,80}\bquarter|\bquarter\b.{0,80}\bresults\b", re.I)
_NAME_YEAR = re.compile(r"(?:19|20)\d\d")
_NAME_QUARTER = re.compile(r"(?<![A-Za-z])Q([1-4])(?![A-Za-z0-9])", re.I)
_NAME_FORM = re.compile(
    r"(?<![A-Za-z0-9])(10-?K|10-?Q|8-?K|20-?F|6-?K|EARNINGS|ANNUAL[ _-]?REPORT)(?![A-Za-z0-9])", re.I
)
_NOT_TICKERS = frozenset("THE NYSE NASDAQ LLC INC CLASS NONE NOTES DUE FORM SEC USA PAR".split())


class Form(StrEnum):
    """What sort of report a document is."""

    ANNUAL = "annual report"
    QUARTERLY = "quarterly report"
    EARNINGS = "earnings release"
    CURRENT = "current report"
    OTHER = "other"


_FORMS = {
    "10k": Form.ANNUAL,
    "20f": Form.ANNUAL,
    "40f": Form.ANNUAL,
    "annualreport": Form.ANNUAL,
    "10q": Form.QUARTERLY,
    "8k": Form.CURRENT,
    "6k": Form.CURRENT,
    "earnings": Form.EARNINGS,
}


@dataclass(frozen=True, slots=True)
class Metadata:
    """`companies` are names as written; `fiscal_years` are the years the report is called by; quarters are 1 to 4."""

    companies: tuple[str, ...]
    tickers: tuple[str, ...]
    form: Form
    fiscal_years: tuple[int, ...]
    quarters: tuple[int, ...]


def read_metadata(document: Document) -> Metadata:
    """Return what name and first pages tell together; parts that neither tells are empty."""
    return combined(name_metadata(document.name), head_metadata(document))


def name_metadata(name: str) -> Metadata:
    """Return what a file name tells, such as `ACME_2022Q4_EARNINGS.pdf`."""
    stem = name.rsplit(".", 1)[0] if "." in name[-6:] else name
    form = _NAME_FORM.search(stem)
    company = _named_company(stem)
    return Metadata(
        companies=(company,) if company else (),
        tickers=(),
        form=_form(form),
        fiscal_years=tuple(dict.fromkeys(int(year) for year in _NAME_YEAR.findall(stem))),
        quarters=tuple(int(quarter) for quarter in _NAME_QUARTER.findall(stem)),
    )


def head_metadata(document: Document) -> Metadata:
    """Return what the first pages tell: the registrant, the ticker, the form, the period's end."""
    head = "\n".join(page.text for page in document.pages[:_FIRST_PAGES])
    form = _form(_FORM.search(head))
    if form is Form.OTHER and _RESULTS.search(head):
        form = Form.EARNINGS
    return Metadata(
        companies=tuple(_registrants(head)),
        tickers=_tickers(head),
        form=form,
        fiscal_years=_fiscal_years(head, form),
        quarters=() if form in (Form.ANNUAL, Form.OTHER) else _quarters(head),
    )


def combined(name: Metadata, head: Metadata) -> Metadata:
    """Return both together; where they differ in the form or the quarter the file name is followed."""
    form = head.form if name.form is Form.OTHER else name.form
    return Metadata(
        companies=tuple(dict.fromkeys((*head.companies, *name.companies))),
        tickers=head.tickers,
        form=form,
        fiscal_years=tuple(dict.fromkeys((*name.fiscal_years, *head.fiscal_years))),
        quarters=name.quarters or (() if form is Form.ANNUAL else head.quarters),
    )


def aliases(metadata: Metadata) -> frozenset[str]:
    """Return the squashed lower-case forms by which a question may call the company.

    Whole name, name without legal words, a distinctive first word, initials (`jnj`, `j&j`), first letters of the words
    run together (`amex`), ticker.
    """
    found = {ticker.lower() for ticker in metadata.tickers}
    for company in metadata.companies:
        words = [word.lower() for word in re.findall(r"[A-Za-z0-9]+|&", company)]
        plain = [word for word in words if word not in _LEGAL_SUFFIXES and word != "&"]
        if not plain:
            continue
        found.add("".join(plain))
        if len(plain[0]) > 1 and plain[0] not in _COMMON_FIRST_WORDS:
            found.add(plain[0])
        if len(plain) > 1:
            found.add("".join(plain[:2]))
            found.add("".join(word[:2] for word in plain[:2]))
        if "&" in words and len(plain) == 2:
            found |= {f"{plain[0][0]}{link}{plain[1][0]}" for link in ("n", "&", "and")}
        elif len(plain) > 2:
            found.add("".join(word[0] for word in plain))
    return frozenset(alias for alias in found if len(alias) > 1)


def _registrants(head: str) -> list[str]:
    lines = [line.strip() for line in head.split("\n") if line.strip()]
    for number, line in enumerate(lines):
        if _REGISTRANT.search(line) and number:
            name = lines[number - 1]
            return [name.strip("_ ")] if len(name) < 120 and re.search(r"[A-Za-z]", name) else []
    return []


def _named_company(stem: str) -> str:
    """Return the file name's words before its first year, form or number."""
    kept: list[str] = []
    for part in re.split(r"[_\s.]+", stem):
        if _NAME_YEAR.match(part) or _NAME_FORM.match(part) or part.lower() in ("annual", "report", "dated"):
            break
        kept.append(part)
    return " ".join(kept)


def _tickers(head: str) -> tuple[str, ...]:
    found = [first or second for first, second in _TICKER.findall(head)]
    return tuple(dict.fromkeys(ticker for ticker in found if ticker not in _NOT_TICKERS))[:2]


def _form(found: re.Match[str] | None) -> Form:
    return _FORMS[re.sub(r"[^a-z0-9]", "", found[1].lower())] if found else Form.OTHER


def _fiscal_years(head: str, form: Form) -> tuple[int, ...]:
    """Return the year of the period's end, then the fiscal year the text speaks of most, the later of near equals."""
    found = _FISCAL_YEAR_END.search(head) if form is Form.ANNUAL else _QUARTER_END.search(head)
    years = [int(found["year"])] if found else []
    labels = _FISCAL_LABEL.findall(head)
    if labels and form is not Form.OTHER:
        often = max(map(labels.count, labels)) / 2
        years.append(max(int(label) for label in labels if labels.count(label) >= often))
    return tuple(dict.fromkeys(years))


def _quarters(head: str) -> tuple[int, ...]:
    words: Sequence[str] = _QUARTER_WORDS.findall(head[:3000])
    order = ("first", "second", "third", "fourth")
    return (order.index(words[0].lower()) + 1,) if words else ()
