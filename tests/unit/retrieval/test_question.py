"""What is read from questions, file names and first pages."""

import pytest

from common.page_kinds import PageKind
from common.pages import Document, MediaKind, Page
from worker.retrieval.kinds import page_kinds
from worker.retrieval.metadata import Form, Metadata, aliases, name_metadata, read_metadata
from worker.retrieval.query import name_forms, read_question
from worker.retrieval.search import period_factor
from worker.retrieval.terms import terms


def _document(name: str, *pages: str) -> Document:
    return Document("0" * 64, name, MediaKind.PDF, tuple(Page(number, text) for number, text in enumerate(pages, 1)))


@pytest.mark.parametrize(
    ("name", "form", "years", "quarters", "company"),
    [
        ("ACME_2022_10K.pdf", Form.ANNUAL, (2022,), (), "ACME"),
        ("ACME_2024Q2_10Q.pdf", Form.QUARTERLY, (2024,), (2,), "ACME"),
        ("ACME_WIDGETS_2022Q4_EARNINGS.pdf", Form.EARNINGS, (2022,), (4,), "ACME WIDGETS"),
        ("Acme.10-K.html", Form.ANNUAL, (), (), "Acme"),
        ("notes.txt", Form.OTHER, (), (), "notes"),
    ],
)
def test_file_names_are_read(
    name: str, form: Form, years: tuple[int, ...], quarters: tuple[int, ...], company: str
) -> None:
    """Given a file name as filings have them, when it is read, then form, periods and company are known."""
    found = name_metadata(name)
    assert (found.form, found.fiscal_years, found.quarters, found.companies) == (form, years, quarters, (company,))


def test_cover_pages_are_read() -> None:
    """Given a cover page in a file without a telling name, when it is read, then company, ticker and year are known."""
    cover = (
        "FORM 10-K\nFor the fiscal year ended January 28, 2023\nWIDGET & GADGET INC.\n"
        "(Exact name of registrant as specified in its charter)\nCommon Stock | WGI | New York Stock Exchange"
    )
    found = read_metadata(_document("0001.pdf", cover))
    assert found.form is Form.ANNUAL
    assert found.fiscal_years == (2023,)
    assert found.companies[0] == "WIDGET & GADGET INC."
    assert found.tickers == ("WGI",)


@pytest.mark.parametrize("question", ["What did WnG earn?", "W&G's sales", "Widget & Gadget revenue", "WGI margins"])
def test_companies_are_known_by_their_short_names(question: str) -> None:
    """Given a company's names, when a question uses a short form, then it is one of the aliases."""
    metadata = Metadata(("WIDGET & GADGET INC.",), ("WGI",), Form.ANNUAL, (2022,), ())
    assert aliases(metadata) & name_forms(question)


def test_questions_are_read() -> None:
    """Given company, periods, metric and instructions, when a question is read, then each part is told apart."""
    question = read_question(
        "What is Acme's FY2021 to FY22 capex? Answer in USD millions. Round to two decimal places.",
        {"acme"},
    )
    assert question.years == (2021, 2022)
    assert question.kinds == (PageKind.CASH_FLOW,)
    assert tuple(terms("purchases of property plant and equipment")) in question.phrases
    assert "acm" not in question.topic
    assert "round" not in question.topic
    assert not question.asks_reason


@pytest.mark.parametrize(
    ("text", "years", "quarters"),
    [
        ("Q2 of FY2024", (2024,), (2,)),
        ("in Q22023", (2023,), (2,)),
        ("As of Q2'2023", (2023,), (2,)),
        ("the fourth quarter of 2022", (2022,), (4,)),
        ("a 10-year plan", (), ()),
    ],
)
def test_periods_are_read(text: str, years: tuple[int, ...], quarters: tuple[int, ...]) -> None:
    """Given periods as people write them, when they are read, then years and quarters are known."""
    question = read_question(text)
    assert (question.years, question.quarters) == (years, quarters)


def test_reasons_are_asked_for() -> None:
    """Given a question for a cause, when it is read, then it asks for a reason."""
    assert read_question("What drove the gross margin change?").asks_reason
    assert not read_question("What was the gross margin?").asks_reason


@pytest.mark.parametrize(
    ("form", "years", "quarters", "question", "factor"),
    [
        (Form.ANNUAL, (2022,), (), "in FY2022", 1.0),
        (Form.ANNUAL, (2022,), (), "in FY2021", 0.9),
        (Form.ANNUAL, (2022,), (), "in FY2015", 0.75),
        (Form.ANNUAL, (2022,), (), "in Q2 2022", 0.9),
        (Form.QUARTERLY, (2022,), (), "in Q2 2022", 1.0),
        (Form.EARNINGS, (2022,), (4,), "in Q4 2022", 1.0),
        (Form.ANNUAL, (), (), "in FY2022", 1.0),
        (Form.ANNUAL, (2022,), (), "ever", 1.0),
    ],
)
def test_periods_order_documents(
    form: Form, years: tuple[int, ...], quarters: tuple[int, ...], question: str, factor: float
) -> None:
    """Given a document's period and a question's, when they are compared, then the asked period counts most."""
    assert period_factor(Metadata((), (), form, years, quarters), read_question(question)) == factor


def test_statements_are_recognised() -> None:
    """Given pages, when their kinds are found, then a statement is told from a mention and from contents."""
    sheet = "ACME\nCONSOLIDATED BALANCE SHEETS\n(in millions) | 2022 | 2021\n" + "\n".join(
        f"{label} | 1,234 | 1,111"
        for label in (
            "Cash and cash equivalents",
            "Total current assets",
            "Total assets",
            "Accounts payable",
            "Total current liabilities",
            "Retained earnings",
            "Total equity",
        )
    )
    assert page_kinds(sheet)[PageKind.BALANCE] > 0.9
    assert PageKind.BALANCE not in page_kinds("The consolidated balance sheets are on page 40. Total assets rose.")
    contents = "Table of Contents\n" + "\n".join(
        f"Item {number}. Consolidated statements | {number}" for number in range(1, 14)
    )
    assert page_kinds(contents) == {PageKind.CONTENTS: 1.0}


def test_terms_meet_across_endings() -> None:
    """Given word forms, when they are made terms, then forms of one word meet and figures stay."""
    assert terms("Inventories, inventory") == ["inventory", "inventory"]
    assert terms("purchased purchases purchasing")[0] == terms("purchase")[0]
    assert terms("U.S. sales of $1,234.5") == ["us", "sal", "1,234.5"]
