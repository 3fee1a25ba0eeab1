"""The parts of a report that questions ask for."""

from enum import StrEnum


class PageKind(StrEnum):
    """What a page is: a primary statement, a discussion, a cover."""

    COVER = "cover"
    INCOME = "income statement"
    BALANCE = "balance sheet"
    CASH_FLOW = "cash flow statement"
    EQUITY = "statement of equity"
    COMPREHENSIVE = "statement of comprehensive income"
    DISCUSSION = "discussion of results"
    CONTENTS = "table of contents"
