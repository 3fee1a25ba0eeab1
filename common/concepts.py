"""What analysts call things, what reports call them, and which statement holds them; general accounting usage.

Sources: US GAAP statement captions (Regulation S-X, articles 5 and 10), the usual definitions of financial ratios.
"""

import re
from dataclasses import dataclass

from common.page_kinds import PageKind

_INCOME, _BALANCE, _CASH = PageKind.INCOME, PageKind.BALANCE, PageKind.CASH_FLOW
_DISCUSSION, _COVER = PageKind.DISCUSSION, PageKind.COVER


@dataclass(frozen=True, slots=True)
class Concept:
    """A finance term: how questions name it, the phrases reports print, and the kinds of page that carry it."""

    asked: re.Pattern[str]
    printed: tuple[str, ...]
    kinds: tuple[PageKind, ...] = ()


def _concept(asked: str, printed: str = "", *kinds: PageKind) -> Concept:
    phrases = tuple(phrase.strip() for phrase in printed.split(",") if phrase.strip())
    return Concept(re.compile(rf"\b(?:{asked})\b", re.I), phrases, kinds)


CONCEPTS = (
    # Lines of the income statement
    _concept(r"revenues?|sales|top[- ]?line|turnover(?! ratio)", "net sales, total revenues, net revenues", _INCOME),
    _concept(
        r"cogs|costs? of (?:goods sold|sales|revenues?|products sold)",
        "cost of sales, cost of revenue, cost of goods sold, cost of products sold",
        _INCOME,
    ),
    _concept(
        r"gross (?:profit|margins?)",
        "gross profit, gross margin, cost of sales, cost of products sold, net sales",
        _INCOME,
    ),
    _concept(
        r"operating (?:income|profit|margins?)|ebit(?! ?da)",
        "operating income, operating profit, income from operations, net sales",
        _INCOME,
    ),
    _concept(r"(?:adjusted )?ebitdar?", "adjusted ebitda, depreciation and amortization, net income, reconciliation"),
    _concept(
        r"net (?:income|profit|earnings|loss|margin)|bottom[- ]?line|profitability",
        "net income, net earnings, net income attributable",
        _INCOME,
    ),
    _concept(r"sg&a|selling,? general", "selling general and administrative expenses", _INCOME),
    _concept(r"r&d|research (?:and|&) development", "research and development expense", _INCOME),
    _concept(r"d&a|depreciation", "depreciation and amortization", _CASH),
    _concept(
        r"(?:effective )?tax rates?",
        "effective tax rate, income tax provision, provision for income taxes",
        _INCOME,
        _DISCUSSION,
    ),
    _concept(r"eps|earnings per share", "earnings per share, diluted earnings per share"),
    _concept(r"interest expenses?", "interest expense", _INCOME),
    _concept(
        r"interest coverage|times interest earned",
        "interest expense, operating income, income before income taxes",
        _INCOME,
    ),
    _concept(
        r"high[- ]growth|growth (?:rate|company|profile)",
        "sales growth, net sales increased, revenues increased, percent change, growth rate",
    ),
    # Lines of the balance sheet
    _concept(
        r"pp&?ne?e?|property,? plant|fixed assets",
        "property plant and equipment, less accumulated depreciation",
        _BALANCE,
    ),
    _concept(r"total assets|largest asset|assets?", "total assets", _BALANCE),
    _concept(r"liabilit(?:y|ies)", "total liabilities, accounts payable, long-term debt", _BALANCE),
    _concept(r"balance sheets?", "total assets, total liabilities", _BALANCE),
    _concept(r"(?:accounts )?receivables?|dso|days sales outstanding", "accounts receivable net", _BALANCE),
    _concept(r"(?:accounts )?payables?|dpo|days payables? outstanding", "accounts payable", _BALANCE),
    _concept(r"inventor(?:y|ies)", "inventories, merchandise inventories, finished goods", _BALANCE),
    _concept(
        r"inventory turnover|days (?:of )?inventory|dio",
        "inventories, cost of sales, cost of products sold",
        _BALANCE,
        _INCOME,
    ),
    _concept(
        r"working capital|(?:quick|current|acid[- ]test|liquidity) ratios?",
        "total current assets, total current liabilities, cash and cash equivalents, accounts receivable",
        _BALANCE,
    ),
    _concept(r"cash (?:&|and) cash equivalents|cash balance|liquidity profile", "cash and cash equivalents", _BALANCE),
    _concept(r"goodwill|intangibles?", "goodwill, intangible assets", _BALANCE),
    _concept(
        r"(?:long-term )?debt|leverage|borrowings?|debt[- ]to[- ](?:equity|ebitda)",
        "long-term debt, short-term borrowings, notes payable",
        _BALANCE,
    ),
    _concept(
        r"debt securities|registered to trade|national securities exchange|trading symbols?",
        "securities registered pursuant to section 12(b), title of each class, trading symbol, name of each exchange",
        _COVER,
    ),
    _concept(
        r"(?:shareholders?|stockholders?)['’]? equity|book value|retained earnings",
        "total equity, shareholders equity, stockholders equity, retained earnings",
        _BALANCE,
    ),
    _concept(
        r"return on (?:assets|equity|invested capital)|ro[ae]|roic",
        "net income, total assets, total equity",
        _INCOME,
        _BALANCE,
    ),
    _concept(
        r"(?:asset|fixed asset) turnover", "net sales, total assets, property plant and equipment", _INCOME, _BALANCE
    ),
    _concept(
        r"capital[- ]intens\w+",
        "property plant and equipment, purchases of property plant and equipment, total assets, capital spending",
        _INCOME,
        _BALANCE,
        _CASH,
    ),
    # Lines of the cash flow statement
    _concept(
        r"cap(?:ital )?[- ]?ex(?:penditures?)?|capital (?:expenditures?|spending)",
        "purchases of property plant and equipment, capital expenditures, additions to property",
        _CASH,
    ),
    _concept(
        r"free cash flows?|fcf",
        "net cash provided by operating activities, purchases of property plant and equipment, free cash flow",
        _CASH,
    ),
    _concept(
        r"cash flows?|(?:operating|investing|financing)(?:,? and \w+)? activities",
        "cash provided by operating activities, investing activities, financing activities",
        _CASH,
    ),
    _concept(r"dividends?|payout", "dividends paid, cash dividends declared", _CASH),
    _concept(
        r"(?:stock|share) (?:repurchases?|buy-?backs?)|buy-?backs?",
        "repurchase of common stock, purchases of treasury stock, share repurchase program",
        _CASH,
    ),
    # Notes and discussion
    _concept(
        r"acqui(?:red|sitions?|re)|m&a|mergers?|takeovers?",
        "acquisition, acquired, business combination, purchase price",
    ),
    _concept(
        r"divest\w*|spin(?:ning|s)?[- ]?off|spun|separation|discontinued",
        "discontinued operations, separation, divestiture, spin-off, exchange offer",
    ),
    _concept(
        r"segments?|business(?:es)? (?:unit|line)s?|divisions?",
        "business segment, reportable segment, segment net sales",
    ),
    _concept(
        r"regions?|geograph\w+|countr(?:y|ies)|international|domestic",
        "geographic, united states, international, operations by region",
    ),
    _concept(r"usa?|u\.s\.a?|united states|america", "us, united states, domestic"),
    _concept(
        r"organic(?:ally)?|exclud\w+ (?:the )?(?:impact of )?(?:m&a|acquisitions?)",
        "organic sales, organic growth, acquisitions, divestitures, constant currency, translation",
    ),
    _concept(r"guidance|outlook|expected|forecasts?|expects?", "outlook, guidance, expects, estimated"),
    _concept(
        r"(?:number of )?(?:stores?|locations|shops)",
        "store count, total stores, stores opened, stores closed, at end of period",
    ),
    _concept(
        r"legal (?:battles?|proceedings?)|lawsuits?|litigation",
        "legal proceedings, commitments and contingencies, litigation",
    ),
    _concept(r"employees?|headcount|workforce|wages|compensation", "employees, compensation, salaries, payroll"),
    _concept(r"retain\w*|retention|attrition|churn", "retention, retention rate, attrition, renewal rate"),
    _concept(r"customers?", "customers, significant customers, concentration"),
    _concept(r"products?(?: categor\w+)?|services", "product category, products and services, sales by category"),
    _concept(
        r"restructuring|one[- ]off|unusual|non[- ]?recurring|extraordinary|special items?|impairments?",
        "restructuring charges, impairment, gain on, discontinued operations, special items",
    ),
)

# Questions for reasons are answered by the discussion of results, not by a statement alone.
REASON = re.compile(
    r"\b(?:what|which|who)\b.{0,20}\b(?:drove|drives|driven|caused|contributed|explains?|led to)"
    r"|\bwhy\b|\bdrivers?\b|\breasons? for\b",
    re.I,
)
# What must be read to compute a ratio, in the words of the table above; definitions as financial textbooks give them.
_LINES_OF_RATIOS = tuple(
    (re.compile(rf"\b(?:{asked})\b", re.I), lines)
    for asked, lines in (
        (r"margins?|(?:%|percent(?:age)?) of (?:\w+ )?(?:revenues?|sales)", "revenue"),
        (r"dpo|days payables? outstanding", "cogs, inventory, accounts payable"),
        (r"dso|days sales outstanding", "revenue, accounts receivable"),
        (r"dio|days (?:of )?inventory|inventory turnover", "cogs, inventory"),
        (r"ar|net ar", "accounts receivable"),
        (r"ap", "accounts payable"),
        (r"roa|return on (?:total )?assets", "net income, total assets"),
        (r"roe|return on (?:common )?equity", "net income, equity, book value"),
        (r"asset turnover", "revenue, total assets, fixed assets"),
        (r"fcf|free cash flows?", "cash flow, capex"),
        (r"ebitda", "operating income, depreciation"),
        (r"interest coverage|times interest earned", "operating income, interest expense"),
        (r"payout", "dividends, net income"),
        (r"debt[- ]to[- ]equity|leverage", "total liabilities, book value"),
        (r"effective tax rate", "pretax income"),
    )
)
# Words of instruction: they say how to answer, not what about; what follows a colon may be the question itself.
_INSTRUCTION = re.compile(
    r"\b(?:if .{0,80}? (?:is not|are not|isn't) .{0,60}?(?:explain|state)[^.?:]*"
    r"|(?:please )?(?:then )?state that and explain why"
    r"|(?:address|answer|calculate|base|give|provide)\b[^.?:]*?\b(?:question|asked|response|answer|judge?ment"
    r"|by (?:using|utilizing))[^.?:]*"
    r"|round(?:ed)?\b[^.?:]*?(?:decimal|place)s?[^.?:]*|\(?in units? of[^)?.]*\)?"
    r"|in usd(?: (?:millions?|billions?|thousands?))?)",
    re.I,
)


def without_instructions(question: str) -> str:
    """Return the question without the words that say how to answer it."""
    return _INSTRUCTION.sub(" ", question)


def concepts_in(question: str) -> list[Concept]:
    """Return the finance terms that a question names, in the table's order."""
    return [concept for concept in CONCEPTS if concept.asked.search(question)]


def printed_phrases(question: str) -> tuple[str, ...]:
    """Return what reports print for the finance terms of a question and for the lines its ratios are made of."""
    lines = [names for pattern, names in _LINES_OF_RATIOS if pattern.search(question)]
    found = concepts_in(", ".join((question, *lines)))
    return tuple(dict.fromkeys(phrase for concept in found for phrase in concept.printed))
