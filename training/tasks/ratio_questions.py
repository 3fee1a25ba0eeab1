"""Financial ratios by name over a made page, each with its program; definitions as textbooks give them."""

import re
from dataclasses import dataclass

from common.answers import number_line
from common.numbers import Scale
from training.tasks.analyst_questions import Wording, figure
from training.tasks.statement_sheet import Asked

_PLACE = re.compile(r"([a-z_]+)@(\d)")


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio: names, definition in words, and a program over `concept@0` (the year asked) and `concept@1` (before)."""

    names: tuple[str, ...]
    definition: str
    program: str
    scale: Scale = Scale.NONE


RATIOS = (
    Ratio(
        ("gross margin", "gross margin %"),
        "gross profit over revenue",
        "share(gross_profit@0,revenue@0)",
        Scale.PERCENT,
    ),
    Ratio(("gross margin",), "revenue less COGS, over revenue", "100*(revenue@0-cogs@0)/revenue@0", Scale.PERCENT),
    Ratio(("COGS % margin", "COGS as a % of revenue"), "COGS over revenue", "share(cogs@0,revenue@0)", Scale.PERCENT),
    Ratio(
        ("operating margin", "operating income % margin", "EBIT margin"),
        "operating income over revenue",
        "share(operating_income@0,revenue@0)",
        Scale.PERCENT,
    ),
    Ratio(
        ("net profit margin", "net margin", "net income % margin"),
        "net income over revenue",
        "share(net_income@0,revenue@0)",
        Scale.PERCENT,
    ),
    Ratio(("effective tax rate",), "income tax over pre-tax income", "share(tax@0,pretax@0)", Scale.PERCENT),
    Ratio(("R&D as a % of revenue",), "R&D over revenue", "share(rnd@0,revenue@0)", Scale.PERCENT),
    Ratio(("SG&A as a percent of sales",), "SG&A over sales", "share(sga@0,revenue@0)", Scale.PERCENT),
    Ratio(("capex as a % of revenue",), "capital expenditure over revenue", "share(capex@0,revenue@0)", Scale.PERCENT),
    Ratio(
        ("interest coverage", "times interest earned"), "EBIT over interest expense", "operating_income@0/interest@0"
    ),
    Ratio(
        ("current ratio", "working capital ratio"),
        "current assets over current liabilities",
        "current_assets@0/current_liabilities@0",
    ),
    Ratio(
        ("quick ratio",),
        "cash plus receivables, over current liabilities",
        "(cash@0+receivables@0)/current_liabilities@0",
    ),
    Ratio(("debt-to-equity ratio",), "total liabilities over equity", "total_liabilities@0/equity@0"),
    Ratio(
        ("return on assets (ROA)", "ROA"),
        "net income over average total assets",
        "net_income@0/avg(total_assets@0,total_assets@1)",
    ),
    Ratio(("return on equity (ROE)", "ROE"), "net income over average equity", "net_income@0/avg(equity@0,equity@1)"),
    Ratio(("asset turnover",), "revenue over average total assets", "revenue@0/avg(total_assets@0,total_assets@1)"),
    Ratio(("fixed asset turnover",), "revenue over average PP&E", "revenue@0/avg(ppe@0,ppe@1)"),
    Ratio(("inventory turnover",), "COGS over average inventory", "cogs@0/avg(inventories@0,inventories@1)"),
    Ratio(
        ("days payable outstanding (DPO)", "DPO"),
        "365 times average accounts payable, over COGS plus the change in inventory",
        "365*avg(payables@0,payables@1)/(cogs@0+inventories@0-inventories@1)",
    ),
    Ratio(
        ("days sales outstanding (DSO)", "DSO"),
        "365 times average accounts receivable, over revenue",
        "365*avg(receivables@0,receivables@1)/revenue@0",
    ),
    Ratio(("dividend payout ratio", "payout ratio"), "dividends paid over net income", "dividends@0/net_income@0"),
)
# Amounts made of several lines; they keep the page's scale.
AMOUNTS = (
    Ratio(
        ("working capital", "net working capital"),
        "current assets less current liabilities",
        "current_assets@0-current_liabilities@0",
    ),
    Ratio(("free cash flow", "FCF"), "operating cash flow less capex", "operating_cash@0-capex@0"),
    Ratio(("EBITDA", "unadjusted EBITDA"), "operating income plus D&A", "operating_income@0+depreciation@0"),
)


def ratio(words: Wording) -> Asked | None:
    """Ask for a ratio of one year; None where the page lacks one of its lines."""
    fitting = [one for one in RATIOS if _fits(one, words)]
    return _asked(words.rng.choice(fitting), words) if fitting else None


def combined_amount(words: Wording) -> Asked | None:
    """Ask for an amount made of several lines, in the page's scale."""
    fitting = [one for one in AMOUNTS if _fits(one, words)]
    if not fitting:
        return None
    asked = words.rng.choice(fitting)
    year = words.page.years[0]
    unit = f" in USD {words.page.scale}s" if words.rng.random() < 0.5 else ""
    question = f"What is {words.whose()} {words.year(year)} {words.rng.choice(asked.names)}{unit}?"
    program = _program(asked.program, words, year)
    return Asked(question + _defined(asked, words) + words.aside(), number_line(program, words.page.scale))


def average_margin(words: Wording) -> Asked | None:
    """Ask for the mean of a margin over every year of the page."""
    fitting = [one for one in RATIOS if _fits(one, words) and one.program.startswith("share")]
    if not fitting:
        return None
    asked = words.rng.choice(fitting)
    years = words.page.years
    question = (
        f"What is the {words.year(years[-1])} - {words.year(years[0])} {len(years)} year average "
        f"{words.rng.choice(asked.names)} for {words.company}?"
    )
    parts = ",".join(_program(asked.program, words, year) for year in reversed(years))
    return Asked(question + words.aside(), number_line(f"avg({parts})", Scale.PERCENT))


def margin_change(words: Wording) -> Asked | None:
    """Ask by how many points a margin moved."""
    fitting = [one for one in RATIOS if _fits(one, words) and one.program.startswith("share")]
    if not fitting:
        return None
    asked = words.rng.choice(fitting)
    new, old = words.page.years[:2]
    question = (
        f"By how many percentage points did {words.whose()} {words.rng.choice(asked.names)} change between "
        f"{words.year(old)} and {words.year(new)}?"
    )
    program = f"{_program(asked.program, words, new)}-{_program(asked.program, words, old)}"
    return Asked(question, number_line(program, Scale.PERCENT))


def _asked(one: Ratio, words: Wording) -> Asked:
    year = words.rng.choice(words.page.years[:-1])
    text = words.rng.choice(
        ("What is {w} {y} {r}?", "What is the {y} {r} for {c}?", "What was {w} {r} in {y}?", "Calculate {w} {y} {r}.")
    )
    question = text.format(w=words.whose(), c=words.company, y=words.year(year), r=words.rng.choice(one.names))
    rounding = words.rng.choice(("", "", " Round to two decimals.", " Give two decimal places."))
    program = _program(one.program, words, year)
    return Asked(question + _defined(one, words) + rounding + words.aside(), number_line(program, one.scale))


def _defined(one: Ratio, words: Wording) -> str:
    if words.rng.random() < 0.6:
        return ""
    name = one.names[0].split(" (")[0]
    return words.rng.choice((f" Define {name} as {one.definition}.", f" {name} is {one.definition}."))


def _fits(one: Ratio, words: Wording) -> bool:
    return words.page.has(*(concept for concept, _ in _places(one.program)))


def _places(program: str) -> list[tuple[str, int]]:
    return [(concept, int(back)) for concept, back in _PLACE.findall(program)]


def _program(program: str, words: Wording, year: int) -> str:
    return _PLACE.sub(lambda found: figure(words.page, found[1], year - int(found[2])), program)
