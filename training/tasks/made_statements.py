"""Made-up financial statements with the captions reports use, so that concepts can be asked for by other names.

The amounts are drawn; totals are sums of all their lines, some of which a page may leave out. Captions follow
Regulation S-X, articles 5-02 and 5-03, and the cash flow statement of ASC 230; each line item has several captions, of
which a page uses one.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from common.evidence import Document
from common.numbers import Scale
from common.tables import Row, Table

CAPTIONS: Mapping[str, tuple[str, ...]] = {
    "revenue": ("Net sales", "Total revenues", "Revenues", "Total net revenue", "Net revenues", "Sales"),
    "cogs": ("Cost of sales", "Cost of goods sold", "Cost of revenues", "Cost of products sold"),
    "gross_profit": ("Gross profit", "Gross margin"),
    "rnd": ("Research and development", "Research, development and related expenses", "Technology and development"),
    "sga": ("Selling, general and administrative expenses", "Selling, general and administrative", "SG&A expenses"),
    "operating_income": ("Operating income", "Income from operations", "Operating profit"),
    "interest": ("Interest expense", "Interest expense, net"),
    "pretax": ("Income before income taxes", "Earnings before provision for income taxes"),
    "tax": ("Provision for income taxes", "Income tax expense", "Income taxes"),
    "net_income": ("Net income", "Net earnings", "Net income attributable to common shareholders"),
    "cash": ("Cash and cash equivalents", "Cash and equivalents"),
    "receivables": ("Accounts receivable, net", "Receivables, net", "Trade receivables"),
    "inventories": ("Inventories", "Merchandise inventories", "Total inventories"),
    "other_current_assets": ("Prepaid expenses and other", "Other current assets"),
    "current_assets": ("Total current assets",),
    "ppe": ("Property, plant and equipment, net", "Property and equipment, net"),
    "goodwill": ("Goodwill", "Goodwill and intangible assets"),
    "total_assets": ("Total assets",),
    "payables": ("Accounts payable", "Trade accounts payable"),
    "accrued": ("Accrued liabilities", "Accrued expenses and other current liabilities"),
    "current_liabilities": ("Total current liabilities",),
    "debt": ("Long-term debt", "Long-term debt, less current portion", "Notes payable, non-current"),
    "total_liabilities": ("Total liabilities",),
    "equity": ("Total shareholders' equity", "Total stockholders’ equity", "Total equity"),
    "depreciation": ("Depreciation and amortization", "Depreciation, depletion and amortization"),
    "share_based": ("Share-based compensation", "Stock-based compensation expense"),
    "operating_cash": ("Net cash provided by operating activities", "Cash flows from operating activities"),
    "capex": (
        "Purchases of property and equipment",
        "Capital expenditures",
        "Additions to property, plant and equipment",
    ),
    "acquisitions": ("Acquisitions, net of cash acquired", "Business acquisitions, net of cash"),
    "investing_cash": ("Net cash used in investing activities", "Cash flows used for investing activities"),
    "dividends": ("Dividends paid", "Cash dividends paid to shareholders", "Payment of dividends"),
    "buybacks": ("Repurchases of common stock", "Purchases of treasury stock", "Common stock repurchased"),
    "financing_cash": ("Net cash used in financing activities", "Cash flows used for financing activities"),
}
STATEMENTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "income": (
        "CONSOLIDATED STATEMENTS OF INCOME",
        (
            *("revenue", "cogs", "gross_profit", "rnd", "sga", "operating_income"),
            *("interest", "pretax", "tax", "net_income"),
        ),
    ),
    "balance": (
        "CONSOLIDATED BALANCE SHEETS",
        (
            *("cash", "receivables", "inventories", "other_current_assets", "current_assets", "ppe", "goodwill"),
            *("total_assets", "payables", "accrued", "current_liabilities", "debt", "total_liabilities", "equity"),
        ),
    ),
    "cash_flow": (
        "CONSOLIDATED STATEMENTS OF CASH FLOWS",
        (
            *("net_income", "depreciation", "share_based", "operating_cash", "capex", "acquisitions"),
            *("investing_cash", "dividends", "buybacks", "financing_cash"),
        ),
    ),
}
_PAIRS = (("income",), ("balance",), ("cash_flow",), ("income", "balance"), ("income", "cash_flow"))
# A tuple: the order of a set changes from process to process, and with it what is drawn.
_OPTIONAL = ("gross_profit", "rnd", "interest", "goodwill", "share_based", "acquisitions", "accrued")
_HEADINGS = (
    "",
    "Year ended December 31,",
    "Fiscal year ended",
    "(Dollars in {scale}s)",
    "For the years ended June 30,",
)


@dataclass(frozen=True, slots=True)
class MadePage:
    """A page of one or two statements: each concept's caption and its printed figure by fiscal year, latest first."""

    document: Document
    scale: Scale
    years: tuple[int, ...]
    captions: Mapping[str, str]
    figures: Mapping[str, Mapping[int, str]]

    def has(self, *concepts: str) -> bool:
        """Tell whether every concept stands on the page."""
        return all(concept in self.figures for concept in concepts)


def make_page(rng: random.Random) -> MadePage:
    """Draw a page; the same generator state gives the same page."""
    scale = rng.choice((Scale.MILLION, Scale.MILLION, Scale.THOUSAND))
    latest = rng.randint(2009, 2024)
    years = tuple(range(latest, latest - rng.choice((2, 3)), -1))
    kinds = rng.choice(_PAIRS)
    captions = {concept: rng.choice(names) for concept, names in CAPTIONS.items()}
    left_out = {concept for concept in _OPTIONAL if rng.random() < 0.35}
    amounts = _amounts(years, scale, rng)
    figures: dict[str, dict[int, str]] = {}
    tables: list[Table] = []
    for kind in kinds:
        title, concepts = STATEMENTS[kind]
        shown = [concept for concept in concepts if concept not in left_out]
        figures |= {concept: {year: str(amounts[concept][year]) for year in years} for concept in shown}
        heading = rng.choice(_HEADINGS).format(scale=scale)
        in_scale = f"(In {scale}s)" if "Dollars" not in heading else ""
        tables.append(
            Table(
                " ".join(part for part in (title, in_scale, heading) if part),
                tuple(_column(kind, year, rng) for year in years),
                tuple(
                    Row(captions[concept], tuple(_printed(amounts[concept][year]) for year in years))
                    for concept in shown
                ),
            )
        )
    return MadePage(Document(tuple(tables), ()), scale, years, captions, figures)


def _column(kind: str, year: int, rng: random.Random) -> str:
    return f"December 31, {year}" if kind == "balance" and rng.random() < 0.3 else str(year)


def _printed(amount: int) -> str:
    return f"({-amount:,})" if amount < 0 else f"{amount:,}"


def _amounts(years: tuple[int, ...], scale: Scale, rng: random.Random) -> dict[str, dict[int, int]]:
    """Return every concept's amount by year: drawn shares of a drawn revenue, sums as statements add them."""
    size = 10 ** rng.uniform(3.0, 4.7) * (30 if scale is Scale.THOUSAND else 1)
    shares = {concept: rng.uniform(low, high) for concept, (low, high) in _SHARES.items()}
    found: dict[str, dict[int, int]] = {concept: {} for concept in CAPTIONS}
    for year in sorted(years):
        size *= rng.uniform(0.9, 1.25)
        part = {concept: round(size * share * rng.uniform(0.85, 1.15)) for concept, share in shares.items()}
        for concept, amount in _statement(round(size), part).items():
            found[concept][year] = amount
    return found


_SHARES: Mapping[str, tuple[float, float]] = {
    "cogs": (0.35, 0.75),
    "rnd": (0.01, 0.1),
    "sga": (0.08, 0.22),
    "interest": (0.005, 0.03),
    "tax": (0.01, 0.04),
    "cash": (0.05, 0.4),
    "receivables": (0.06, 0.2),
    "inventories": (0.04, 0.2),
    "other_current_assets": (0.01, 0.08),
    "ppe": (0.1, 0.8),
    "goodwill": (0.05, 0.5),
    "payables": (0.05, 0.2),
    "accrued": (0.04, 0.15),
    "debt": (0.1, 0.6),
    "depreciation": (0.02, 0.09),
    "share_based": (0.005, 0.04),
    "operating_cash": (0.08, 0.25),
    "capex": (0.02, 0.12),
    "acquisitions": (0.0, 0.1),
    "dividends": (0.01, 0.05),
    "buybacks": (0.01, 0.08),
}


def _statement(revenue: int, part: dict[str, int]) -> dict[str, int]:
    gross = revenue - part["cogs"]
    operating = gross - part["rnd"] - part["sga"]
    pretax = operating - part["interest"]
    current = part["cash"] + part["receivables"] + part["inventories"] + part["other_current_assets"]
    assets = current + part["ppe"] + part["goodwill"]
    current_due = part["payables"] + part["accrued"]
    due = current_due + part["debt"]
    return part | {
        "revenue": revenue,
        "gross_profit": gross,
        "operating_income": operating,
        "pretax": pretax,
        "net_income": pretax - part["tax"],
        "current_assets": current,
        "total_assets": assets,
        "current_liabilities": current_due,
        "total_liabilities": due,
        "equity": assets - due,
        "capex": -part["capex"],
        "acquisitions": -part["acquisitions"],
        "investing_cash": -part["capex"] - part["acquisitions"],
        "dividends": -part["dividends"],
        "buybacks": -part["buybacks"],
        "financing_cash": -part["dividends"] - part["buybacks"],
    }
