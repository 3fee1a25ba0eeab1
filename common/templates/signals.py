"""What an analyst notes of every report: size, growth, margins, cash, returns to holders, outlook, risks, tone."""

from common.templates.columns import Column, ColumnType

COLUMNS = (
    Column("revenue", ColumnType.AMOUNT, "What was total revenue (net sales) in the latest period?"),
    Column(
        "revenue_growth",
        ColumnType.PERCENT,
        "By what percentage did total revenue (net sales) change from the year before?",
    ),
    Column("gross_margin", ColumnType.PERCENT, "What was the gross margin in percent of revenue in the latest period?"),
    Column(
        "operating_margin",
        ColumnType.PERCENT,
        "What was operating income as a percentage of revenue in the latest period?",
    ),
    Column("net_margin", ColumnType.PERCENT, "What was net income as a percentage of revenue in the latest period?"),
    Column("net_income", ColumnType.AMOUNT, "What was net income in the latest period?"),
    Column("eps_diluted", ColumnType.AMOUNT, "What were diluted earnings per share in the latest period?"),
    Column(
        "operating_cash_flow",
        ColumnType.AMOUNT,
        "What was net cash provided by operating activities in the latest period?",
    ),
    Column(
        "capex",
        ColumnType.AMOUNT,
        "How much was spent on purchases of property, plant and equipment in the latest period?",
    ),
    Column(
        "free_cash_flow",
        ColumnType.AMOUNT,
        "What was operating cash flow less purchases of property, plant and equipment in the latest period?",
    ),
    Column("dividends", ColumnType.AMOUNT, "How much was paid in dividends in the latest period?"),
    Column("buybacks", ColumnType.AMOUNT, "How much was spent on repurchases of common stock in the latest period?"),
    Column("guidance", ColumnType.TEXT, "What guidance or outlook does the company give for the next period?"),
    Column("main_risks", ColumnType.TEXT, "Summarize the main risk factors the company names."),
    Column("sentiment", ColumnType.LABEL, "What is the tone of management's discussion of results?"),
)
