"""Real statement tables out of structured disclosures: XBRL instances, fact tables and published statements as CSV."""

import csv
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

from common.evidence import Document
from common.numbers import Scale
from common.tables import Table

_XBRLI = "{http://www.xbrl.org/2003/instance}"
_LINK = "{http://www.xbrl.org/2003/linkbase}"
_XLINK = "{http://www.w3.org/1999/xlink}"
_ROWS_PER_TABLE = (5, 11)
_MAX_COLUMNS = 3
_MIN_AMOUNT = 1_000_000
Facts = dict[str, dict[str, Decimal]]  # concept label -> period -> amount in single units


def read_statements(path: Path, seed: int) -> Iterator[Document]:
    """Yield documents of one statement-like table each, with its scale in the caption as reports print it.

    The file must be one of the known, hash-checked ones: the standard library parses XML. Same seed, same tables.
    """
    if path.suffix == ".xml":
        for facts in _instance_facts(path):
            yield from _documents(facts, seed, path.stem)
        return
    with path.open(encoding="utf-8", newline="") as lines:
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        rows = list(csv.reader(lines))
    if rows[0][0] == "fact":
        yield from _documents(_fact_table(rows), seed, path.stem)
    else:
        yield _published(rows)


def _published(rows: list[list[str]]) -> Document:
    """Return a statement whose amounts the file already gives in millions."""
    header = ["(In millions)", *rows[0][1:]]
    grid = [header, *([row[0], *(_printed(_decimal(cell)) for cell in row[1:])] for row in rows[1:])]
    return Document((Table.from_cells(grid),), ())


def _documents(facts: Facts, seed: int, name: str) -> Iterator[Document]:
    """Cut a filing's facts into tables of a few rows whose amounts share their periods."""
    by_periods: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for label, amounts in facts.items():
        periods = tuple(sorted(amounts, reverse=True)[:_MAX_COLUMNS])
        if max(abs(amount) for amount in amounts.values()) >= _MIN_AMOUNT:
            by_periods[periods].append(label)
    rng = random.Random(f"{seed}:{name}")
    for periods, labels in sorted(by_periods.items()):
        at = 0
        while at < len(labels):
            size = rng.randint(*_ROWS_PER_TABLE)
            if len(labels[at : at + size]) > 2:
                yield _statement(facts, labels[at : at + size], periods, rng)
            at += size


def _statement(facts: Facts, labels: list[str], periods: tuple[str, ...], rng: random.Random) -> Document:
    smallest = min(abs(facts[label][period]) for label in labels for period in periods if facts[label][period])
    scale = Scale.MILLION if smallest >= 10**7 and rng.random() < 0.6 else Scale.THOUSAND
    unit = Decimal(int(scale.multiplier))
    columns = [period or "Amount" for period in periods]
    rows = [
        [label, *(_printed(round(facts[label][period] / unit), "$" if at == 0 else "") for period in periods)]
        for at, label in enumerate(labels)
    ]
    in_caption = rng.random() < 0.5
    corner = (
        ""
        if in_caption
        else rng.choice((f"(in {scale}s)", f"($ in {scale}s)", f"(In {scale}s, except per share data)"))
    )
    caption = rng.choice(
        (
            "The following table presents selected amounts (in {s}s):",
            "(dollars in {s}s)",
            "Amounts in {s}s of U.S. dollars.",
        )
    )
    return Document((Table.from_cells([[corner, *columns], *rows]),), (caption.format(s=scale),) if in_caption else ())


def _printed(amount: Decimal | int | None, currency: str = "") -> str:
    """Return an amount as statements print it: brackets for a negative one."""
    if amount is None:
        return ""
    return f"{currency}({-amount:,})" if amount < 0 else f"{currency}{amount:,}"


def _fact_table(rows: list[list[str]]) -> Facts:
    facts: Facts = defaultdict(dict)
    columns = {name: at for at, name in enumerate(rows[0])}
    for row in rows[1:]:
        amount = _decimal(row[columns["value"]])
        if amount is None or not row[columns["units"]].startswith("USD") or row[columns["units"]] != "USD":
            continue
        period = row[columns["end_date"]][:4] if "end_date" in columns else ""
        facts[words(row[columns["fact"]])].setdefault(period, amount)
    return dict(facts)


def _instance_facts(path: Path) -> Iterator[Facts]:
    """Yield an instance's consolidated facts in dollars: flows by length of period, then balances by year."""
    root = ElementTree.parse(path).getroot()  # noqa: S314 - a known file, checked by SHA-256
    periods = _periods(root)
    labels = _labels(path.with_name(path.name.replace("_htm.xml", "_lab.xml")))
    found: dict[str, Facts] = defaultdict(lambda: defaultdict(dict))
    for element in root:
        context = periods.get(element.get("contextRef", ""))
        if (
            context is None
            or not (element.get("unitRef") or "").lower().startswith("usd")
            or "share" in (element.get("unitRef") or "").lower()
        ):
            continue
        amount = _decimal(element.text or "")
        if amount is None:
            continue
        kind, name = context
        concept = element.tag.split("}")[-1]
        found[kind][labels.get(concept, words(concept))].setdefault(name, amount)
    for kind in sorted(found):
        yield {label: dict(amounts) for label, amounts in found[kind].items()}


def _periods(root: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """Return (kind, year) of each context without dimensions; a kind is instants or durations of one length."""
    periods: dict[str, tuple[str, str]] = {}
    for context in root.iter(f"{_XBRLI}context"):
        if context.find(f"{_XBRLI}entity/{_XBRLI}segment") is not None:
            continue
        instant = context.findtext(f"{_XBRLI}period/{_XBRLI}instant")
        start = context.findtext(f"{_XBRLI}period/{_XBRLI}startDate")
        end = context.findtext(f"{_XBRLI}period/{_XBRLI}endDate")
        if instant:
            periods[context.get("id", "")] = ("instant", instant[:4])
        elif start and end:
            months = (int(end[:4]) - int(start[:4])) * 12 + int(end[5:7]) - int(start[5:7]) + 1
            periods[context.get("id", "")] = (f"duration{round(months / 3):02d}", end[:4])
    return periods


@lru_cache(maxsize=4)
def _labels(path: Path) -> dict[str, str]:
    """Return concept name -> standard label of a label linkbase; empty where there is none beside the instance."""
    if not path.is_file():
        return {}
    labels: dict[str, str] = {}
    root = ElementTree.parse(path).getroot()  # noqa: S314 - a known file, checked by SHA-256
    for label in root.iter(f"{_LINK}label"):
        role = label.get(f"{_XLINK}role", "")
        name = re.search(r"(?:us-gaap|aapl)_([A-Za-z]+)", label.get("id", "") + label.get(f"{_XLINK}label", ""))
        if name and role.endswith("/label") and label.text:
            labels[name[1]] = label.text
    return labels


def words(concept: str) -> str:
    """Return a concept's name as a row label: `OtherAssetsNoncurrent` becomes `Other assets noncurrent`."""
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z][a-z]+|[a-z]+|\d+", concept)
    return " ".join(
        part if at == 0 or (part.isupper() and len(part) > 1) else part.lower() for at, part in enumerate(parts)
    )


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
