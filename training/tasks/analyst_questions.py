"""Questions in analysts' words over a made page: abbreviations, fiscal years, units to answer in, ratios by name."""

import random
from collections.abc import Callable, Mapping

from common.answers import NOT_FOUND, number_line, span_line
from common.numbers import Scale
from training.tasks.made_statements import MadePage
from training.tasks.statement_sheet import Asked

ALIASES: Mapping[str, tuple[str, ...]] = {
    "revenue": ("revenue", "total revenue", "net sales", "top line", "sales"),
    "cogs": ("COGS", "cost of goods sold", "cost of sales", "cost of revenue"),
    "gross_profit": ("gross profit",),
    "rnd": ("R&D expense", "R&D", "research and development spending"),
    "sga": ("SG&A", "SG&A expense", "selling, general and administrative expense"),
    "operating_income": ("operating income", "EBIT", "operating profit", "unadjusted operating income"),
    "interest": ("interest expense",),
    "pretax": ("pre-tax income", "income before taxes", "EBT"),
    "tax": ("income tax expense", "tax provision"),
    "net_income": ("net income", "net earnings", "bottom line", "net profit"),
    "cash": ("cash and cash equivalents", "cash balance", "cash position"),
    "receivables": ("accounts receivable", "AR", "net AR", "trade receivables"),
    "inventories": ("inventory", "inventories", "year-end inventory"),
    "current_assets": ("total current assets", "current assets"),
    "ppe": ("net PP&E", "PP&E", "PPNE", "fixed assets"),
    "goodwill": ("goodwill",),
    "total_assets": ("total assets",),
    "payables": ("accounts payable", "AP", "trade payables"),
    "current_liabilities": ("total current liabilities", "current liabilities"),
    "debt": ("long-term debt", "LT debt"),
    "total_liabilities": ("total liabilities",),
    "equity": ("shareholders' equity", "book value of equity", "total equity"),
    "depreciation": ("D&A", "depreciation and amortization"),
    "share_based": ("stock-based compensation", "SBC"),
    "operating_cash": ("operating cash flow", "cash flow from operations", "CFO", "cash from operating activities"),
    "capex": ("capex", "capital expenditure", "CAPEX", "capital spending"),
    "acquisitions": ("cash spent on acquisitions", "acquisition spending"),
    "dividends": ("dividends paid", "cash dividends", "total cash dividends paid"),
    "buybacks": ("share buybacks", "stock repurchases", "share repurchases"),
}
# Outflows that statements print in brackets and analysts speak of as positive.
_OUTFLOWS = frozenset({"capex", "acquisitions", "dividends", "buybacks"})
_COMPANIES = (
    *("Halden Foods", "Orrin Semiconductor", "Brightwater Retail", "Castellan Energy", "the company", "Tessaly"),
    *("Northlake Brands", "Velmont", "Pallas Software", "Marrow & Finch", "Quarry Point Resources", "this company"),
)
_STATEMENTS = ("balance sheet", "income statement", "statement of cash flows", "financial statements", "P&L", "report")
_ASIDES = (
    "",
    "",
    "",
    " Use only the {s}.",
    " Rely on the {s} for this.",
    " Assume you can see nothing but the {s}.",
    " Work it out from the lines of the {s}.",
    " Take the figures from the {s}.",
)
_ROUNDING = ("", "", " Round to one decimal.", " Give two decimal places.", " Round your result to two decimals.")


class Wording:
    """Draws the words around a question for one page: a company, ways to name a year, asides."""

    def __init__(self, page: MadePage, rng: random.Random) -> None:
        self.page = page
        self.rng = rng
        self.company = rng.choice(_COMPANIES)

    def year(self, year: int) -> str:
        short = f"{year % 100:02d}"
        return self.rng.choice(
            (f"FY{year}", f"FY{year}", f"FY {year}", f"FY{short}", f"fiscal {year}", f"fiscal year {year}", str(year))
        )

    def name(self, concept: str) -> str:
        return self.rng.choice(ALIASES[concept])

    def aside(self) -> str:
        return self.rng.choice(_ASIDES).format(s=self.rng.choice(_STATEMENTS))

    def whose(self) -> str:
        return f"{self.company}’s" if self.rng.random() < 0.5 else f"{self.company}'s"


def figure(page: MadePage, concept: str, year: int) -> str:
    """Return a figure as a program's term: outflows positive, other negative figures in brackets."""
    text = page.figures[concept][year]
    if not text.startswith("-"):
        return text
    return f"abs({text})" if concept in _OUTFLOWS else f"({text})"


def lookup(words: Wording) -> Asked:
    """Ask for one figure, sometimes in a unit that is not the page's."""
    page, rng = words.page, words.rng
    concept, year = _concept(words), rng.choice(page.years)
    unit, divisor = _unit(page.scale, rng)
    asked_unit = "" if divisor == 1 and rng.random() < 0.4 else f"in USD {unit}s"
    inside = asked_unit and rng.random() < 0.5
    text = rng.choice(
        (
            "What is {w} {y} {x}{u}?",
            "What was {w} {x} in {y}{u}?",
            "How much was the {y} {x} of {c}{u}?",
            "What is the {y} {x}{u} for {c}?",
            "What is the amount of {x} at the end of {y} for {c}{u}?",
        )
    ).format(
        w=words.whose(),
        c=words.company,
        y=words.year(year),
        x=words.name(concept),
        u=f" ({asked_unit})" if inside else "",
    )
    after = f" Answer {asked_unit}." if asked_unit and not inside else ""
    printed = page.figures[concept][year]
    if divisor == 1 and not printed.startswith("-"):
        return Asked(text + after + words.aside(), span_line((printed,), page.scale))
    term = figure(page, concept, year)
    program = term if divisor == 1 else f"{term}/{divisor}"
    return Asked(text + after + words.aside(), number_line(program, unit))


def growth(words: Wording) -> Asked | None:
    """Ask for the change in percent between two fiscal years."""
    page, rng = words.page, words.rng
    concept, (new, old) = _concept(words), _two_years(words)
    if int(page.figures[concept][old]) <= 0:
        return None
    text = rng.choice(
        (
            "What is the {o} - {n} {x} growth rate for {c}?",
            "What is {w} year-over-year change in {x} from {o} to {n} (in percent)?",
            "By how many percent did {w} {x} change between {o} and {n}?",
            "How fast did {x} grow at {c} in {n} against {o}?",
        )
    )
    question = text.format(
        w=words.whose(), c=words.company, o=words.year(old), n=words.year(new), x=words.name(concept)
    )
    program = f"pct({page.figures[concept][new]},{page.figures[concept][old]})"
    return Asked(question + rng.choice(_ROUNDING) + words.aside(), number_line(program, Scale.PERCENT))


def did_it_grow(words: Wording) -> Asked:
    """Ask whether a figure rose or fell between two fiscal years."""
    page, rng = words.page, words.rng
    concept, (new, old) = _concept(words), _two_years(words)
    rose = rng.random() < 0.6
    text = rng.choice(
        ("Did {w} {x} {v} between {o} and {n}?", "Has {c} {p} its {x} from {o} to {n}?", "Did {c} {v} its {x} in {n}?")
    )
    question = text.format(
        w=words.whose(),
        c=words.company,
        x=words.name(concept),
        v=rng.choice(("increase", "grow") if rose else ("decrease", "decline")),
        p="increased" if rose else "reduced",
        o=words.year(old),
        n=words.year(new),
    )
    sign = ">" if rose else "<"
    return Asked(question, number_line(f"{figure(page, concept, new)}{sign}{figure(page, concept, old)}", Scale.NONE))


def positive_working_capital(words: Wording) -> Asked | None:
    """Ask whether current assets exceed current liabilities."""
    page, year = words.page, words.rng.choice(words.page.years)
    if not page.has("current_assets", "current_liabilities"):
        return None
    question = f"Does {words.company} have positive working capital based on {words.year(year)} data?"
    program = f"{page.figures['current_assets'][year]}>{page.figures['current_liabilities'][year]}"
    return Asked(question, number_line(program, Scale.NONE))


def largest_flow(words: Wording) -> Asked | None:
    """Ask which activity brought in the most cash; the answer is its row."""
    page, year = words.page, words.rng.choice(words.page.years)
    flows = ("operating_cash", "investing_cash", "financing_cash")
    if not page.has(*flows):
        return None
    best = max(flows, key=lambda flow: int(page.figures[flow][year]))
    question = (
        f"Among operating, investing and financing activities, which brought in the most cash for {words.company} "
        f"in {words.year(year)}?"
    )
    return Asked(question, span_line((page.captions[best],), Scale.NONE))


def absent(words: Wording) -> Asked:
    """Ask for a concept or a year that the page does not have."""
    page, rng = words.page, words.rng
    missing = [concept for concept in ALIASES if not page.has(concept) and concept != "gross_profit"]
    concept = rng.choice(missing) if missing and rng.random() < 0.6 else _concept(words)
    beyond = (page.years[0] + rng.randint(1, 3), page.years[-1] - rng.randint(2, 4))
    year = rng.choice(beyond) if page.has(concept) else rng.choice(page.years)
    question = f"What is {words.whose()} {words.year(year)} {words.name(concept)}?{words.aside()}"
    return Asked(question, NOT_FOUND)


KINDS: tuple[Callable[[Wording], Asked | None], ...] = (
    *(lookup, lookup, lookup, growth, did_it_grow, positive_working_capital, largest_flow, absent),
)


def _concept(words: Wording) -> str:
    return words.rng.choice([concept for concept in ALIASES if words.page.has(concept)])


def _two_years(words: Wording) -> tuple[int, int]:
    """Return two neighbouring fiscal years, the later one first."""
    at = words.rng.randrange(len(words.page.years) - 1)
    return words.page.years[at], words.page.years[at + 1]


def _unit(scale: Scale, rng: random.Random) -> tuple[Scale, int]:
    """Return the unit to answer in and what the page's figures are divided by for it."""
    if scale is Scale.THOUSAND:
        return rng.choice(((Scale.THOUSAND, 1), (Scale.MILLION, 1000)))
    return rng.choice(((Scale.MILLION, 1), (Scale.MILLION, 1), (Scale.MILLION, 1), (Scale.BILLION, 1000)))
